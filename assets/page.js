// What the page does in the browser alone, and how a click reaches the server (ui/layout.py makes the way).
() => {
  const page = (window.groundchat ??= {});
  const chinese = (navigator.languages.map(code => code.toLowerCase().slice(0, 2)).find(code => ['en', 'zh'].includes(code)) === 'zh');
  const names = chinese
    ? {'#gc-theme': '浅色 / 深色', '#gc-side .toggle-button': '菜单', '#gc-message .submit-button': '发送', '#gc-message .stop-button': '停止'}
    : {'#gc-theme': 'Light / dark', '#gc-side .toggle-button': 'Menu', '#gc-message .submit-button': 'Send', '#gc-message .stop-button': 'Stop'};
  const LONGEST = 20000; // characters of a message, as in chat/assistant.py: a longer one stays in the box
  const SURE_MS = 4000, TWICE_MS = 1500;
  const box = () => document.querySelector('#gc-message textarea');
  const asked = () => [...document.querySelectorAll('#gc-chat .user-row [data-gc-turn]')];

  // Sending. What is sent leaves the box at once; a second Enter on the same message is none.
  let sent = 0;
  page.taken = text => {
    const again = !text.trim() && (Date.now() - sent < TWICE_MS || document.querySelector('#gc-message .stop-button'));
    if (again || !page.tab) return text; // without a tab's name the page is not open yet
    if (text.trim()) sent = Date.now();
    hints.hidden = true;
    act('send', '', text);
    return text.length > LONGEST ? text : '';
  };
  let last = '', follow = false;
  page.unsent = () => last;
  const act = (kind, turn, text) => {
    remember();
    const quiet = ['undo', 'contest', 'rate', 'forget'].includes(kind);
    last = quiet ? '' : text;
    follow = !quiet;
    page.act([kind, turn, text, asked().at(-1)?.dataset.gcTurn || '']);
    unheard = POKES;
    clearTimeout(poking);
    poking = setTimeout(poke, POKE_MS);
  };
  // Gradio closes its stream when nothing is under way; what is sent at that very moment is answered, but not heard
  // of before the next request opens the stream again. So where nothing is heard, an empty request follows.
  const POKE_MS = 2500, POKES = 4;
  let unheard = 0, poking = 0;
  const poke = () => {
    if (unheard <= 0) return;
    unheard -= 1;
    page.act(null);
    poking = setTimeout(poke, POKE_MS);
  };

  // What the server has forgotten stays to be read above the new conversation.
  let rows = [];
  const remember = () => {
    rows = [...document.querySelectorAll('#gc-earlier > *, #gc-chat .message-wrap .message-row')].map(row => row.cloneNode(true));
  };
  const keepEarlier = note => {
    if (!rows.length) return;
    note.hidden = true;
    const kept = document.createElement('div');
    kept.id = 'gc-earlier';
    for (const row of rows) row.querySelectorAll('.gc-acts, .gc-status, .gc-rating, form').forEach(part => part.remove());
    const line = document.createElement('p');
    line.className = 'gc-divider';
    line.textContent = note.textContent;
    kept.append(...rows, line);
    document.getElementById('gc-earlier')?.remove();
    document.querySelector('#gc-chat .message-wrap')?.before(kept);
  };

  // Editing a message in its place.
  const edit = button => {
    const bubble = button.closest('.message').querySelector('.gc-asked');
    if (bubble.querySelector('form')) return;
    const form = document.createElement('form');
    const area = document.createElement('textarea');
    const leave = document.createElement('button');
    const send = document.createElement('button');
    area.value = bubble.querySelector('.gc-typed').textContent;
    area.setAttribute('aria-label', button.getAttribute('aria-label'));
    Object.assign(leave, {type: 'button', className: 'gc-plain', textContent: button.dataset.gcLeave});
    Object.assign(send, {type: 'submit', className: 'gc-strong', textContent: button.dataset.gcSend});
    const fit = () => { area.style.height = 'auto'; area.style.height = `${Math.min(area.scrollHeight + 2, 320)}px`; };
    const close = () => { form.remove(); button.focus(); };
    area.addEventListener('input', fit);
    area.addEventListener('keydown', event => {
      if (event.key === 'Escape') close();
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
    });
    leave.addEventListener('click', close);
    form.addEventListener('submit', event => {
      event.preventDefault();
      if (!area.value.trim()) return area.focus();
      act('edit', button.dataset.gcTurn, area.value);
      if (area.value.length <= LONGEST) form.remove();
    });
    const row = document.createElement('div');
    row.append(leave, send);
    form.append(area, row);
    bubble.append(form);
    fit();
    area.focus();
  };

  const copied = button => {
    const label = button.getAttribute('aria-label');
    const say = (text, done) => { button.setAttribute('aria-label', text); button.title = text; button.classList.toggle('gc-done', done); };
    write(button.dataset.gcText).then(() => {
      say(button.dataset.gcDone, true);
      setTimeout(() => say(label, false), 1500);
    });
  };
  // Without a secure address the browser has no clipboard to write to: then a selection is copied.
  const write = text => navigator.clipboard ? navigator.clipboard.writeText(text) : new Promise(done => {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    done();
  });

  // Slash commands, offered while the first word of one is typed.
  const hints = document.createElement('ul');
  hints.id = 'gc-hints';
  hints.setAttribute('role', 'listbox');
  let picked = 0;
  const offered = () => {
    const typed = /^[/／](\w*)$/.exec(box()?.value || '');
    const all = document.querySelector('[data-gc-commands]')?.dataset.gcCommands;
    return typed && all ? JSON.parse(all)[chinese ? 'zh' : 'en'].filter(([name]) => name.startsWith(typed[1].toLowerCase())) : [];
  };
  const hint = (move = 0) => {
    const found = offered();
    picked = move ? (picked + move + found.length) % found.length : 0;
    hints.replaceChildren(...found.map(([name, usage, says], place) => {
      const line = document.createElement('li'), code = document.createElement('code'), text = document.createElement('span');
      Object.assign(line, {id: `gc-hint-${name}`});
      line.dataset.gcHint = name;
      line.setAttribute('role', 'option');
      line.setAttribute('aria-selected', place === picked);
      code.textContent = usage;
      text.textContent = says;
      line.append(code, text);
      return line;
    }));
    hints.hidden = !found.length;
    if (!hints.isConnected) document.getElementById('gc-message')?.before(hints);
    if (found.length) box().setAttribute('aria-activedescendant', `gc-hint-${found[picked][0]}`);
    else box()?.removeAttribute('aria-activedescendant');
    hints.children[picked]?.scrollIntoView({block: 'nearest'});
  };
  const complete = name => {
    const usage = offered().find(([one]) => one === name)?.[1] || '';
    box().value = `/${name}${usage.includes(' ') ? ' ' : ''}`;
    box().dispatchEvent(new Event('input', {bubbles: true}));
    box().focus();
    hints.hidden = true;
  };
  const hinted = event => {
    if (hints.hidden || !hints.children.length || event.isComposing || event.target !== box()) return;
    const name = hints.children[picked].dataset.gcHint;
    const whole = box().value.slice(1).toLowerCase() === name;
    const keys = {
      ArrowDown: () => hint(1),
      ArrowUp: () => hint(-1),
      Escape: () => { hints.hidden = true; },
      Tab: () => complete(name),
      Enter: whole || event.shiftKey ? null : () => complete(name),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  };
  document.addEventListener('keydown', hinted, true);
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && !event.target.closest?.('#gc-message, form')) document.querySelector('#gc-viewer.open .toggle-button')?.click();
  });

  const retry = button => {
    const turn = asked().find(one => one.dataset.gcTurn === button.dataset.gcTurn);
    act('retry', button.dataset.gcTurn, turn?.querySelector('.gc-typed').textContent || '');
  };
  const undo = button => act('undo', button.dataset.gcTurn, box().value);
  const goOn = button => act('continue', button.dataset.gcTurn, '');
  const contest = button => {
    const keep = button.closest('.gc-contest').querySelector('input').checked;
    button.disabled = true;
    act('contest', button.dataset.gcTurn, `${button.dataset.gcSide}${keep ? ' text' : ''}`);
  };

  // Rating an answer. A press of a thumb counts at once, another one takes it back; whether its text may be kept is
  // remembered in this browser.
  const AGREED = 'groundchat-ratings';
  const rate = (button, given) => act('rate', button.dataset.gcTurn, JSON.stringify(given));
  const thumb = button => rate(button, button.getAttribute('aria-pressed') === 'true'
    ? null : {thumb: button.dataset.gcThumb, keep: localStorage.getItem(AGREED) === 'keep'});
  const rated = button => {
    const panel = button.closest('.gc-rating'), keep = panel.querySelector('[name="keep"]');
    if (keep) localStorage.setItem(AGREED, keep.checked ? 'keep' : '');
    panel.open = false;
    rate(button, {
      thumb: button.dataset.gcThumb,
      reasons: [...panel.querySelectorAll('.gc-reasons input:checked')].map(box => box.name),
      ideal: panel.querySelector('.gc-ideal')?.value || '',
      keep: Boolean(keep?.checked),
      explained: true,
    });
  };
  const unrate = button => rate(button, null);
  const forget = button => sure(button) && act('forget', '', '');
  const acts = {copy: copied, edit, retry, undo, contest, rate: thumb, rated, unrate, forget, continue: goOn};

  // A button that asks once more before it does what cannot be undone.
  const sure = button => {
    if (button.dataset.sure) return true;
    const sign = button.textContent;
    button.dataset.sure = '1';
    button.textContent = button.dataset.gcSure;
    setTimeout(() => { delete button.dataset.sure; button.textContent = sign; }, SURE_MS);
    return false;
  };
  const remove = button => {
    if (!sure(button)) return;
    page.document(['delete', button.dataset.gcDelete, document.querySelector('#gc-viewer [data-gc-document]')?.dataset.gcDocument || '']);
  };
  const cite = link => {
    const source = link.closest('.bot-row, .bot').querySelector(`[data-source="${link.dataset.gcCite}"]`);
    source.open = true;
    source.scrollIntoView({block: 'nearest', behavior: 'smooth'});
    source.querySelector('summary').focus({preventScroll: true});
  };
  const clicks = {
    '[data-gc-cite]': (link, event) => { event.preventDefault(); cite(link); },
    '[data-gc-hint]': line => complete(line.dataset.gcHint),
    '[data-gc-act]': button => acts[button.dataset.gcAct](button),
    '[data-gc-open]': button => page.document(['open', button.dataset.gcOpen, button.dataset.gcFrom || '']),
    '[data-gc-page]': button => page.document(['page', button.dataset.gcPage, button.dataset.gcFrom || '']),
    '[data-gc-upload]': button => page.document([button.dataset.gcUpload, button.dataset.gcTarget, '']),
    '[data-gc-delete]': remove,
    '[data-gc-close]': () => document.querySelector('#gc-viewer.open .toggle-button')?.click(),
    '#gc-reset': () => {
      document.getElementById('gc-earlier')?.remove();
      document.querySelector('#gc-viewer.open .toggle-button')?.click();
    },
    '#gc-theme': () => {
      const dark = document.body.classList.toggle('dark');
      localStorage.setItem('groundchat-theme', dark ? 'dark' : 'light');
    },
  };
  document.addEventListener('click', event => {
    for (const [selector, done] of Object.entries(clicks)) {
      const pressed = event.target.closest(selector);
      if (pressed) return done(pressed, event);
    }
  });
  // Gradio refuses a file that is too large in words of its own, and with it all that were chosen beside it.
  document.addEventListener('change', event => {
    if (event.target.type !== 'file' || !event.target.closest('#gc-side')) return;
    const most = Number(document.querySelector('[data-gc-most-bytes]').dataset.gcMostBytes);
    const chosen = [...event.target.files], large = chosen.filter(file => file.size > most);
    if (!large.length) return;
    const rest = new DataTransfer();
    for (const file of chosen) if (!large.includes(file)) rest.items.add(file);
    event.target.files = rest.files;
    if (!rest.files.length) event.stopPropagation();
    page.document(['too_large', JSON.stringify(large.map(file => [file.name, file.size])), '']);
  }, true);
  document.addEventListener('input', event => {
    if (!event.target.closest('#gc-message')) return;
    document.querySelector('#gc-note [data-gc-note]')?.setAttribute('hidden', '');
    hint();
  });

  // [1] in an answer becomes a link that opens source 1 under the same answer; the joiners that ui/render.py put in to
  // show tags as text are taken out again, so that what is selected and copied is what is seen. The words between two
  // separators behind it, that its source does not support the sentence, become a mark that opens the source too.
  const CITED = /(\[\d+\](?:\u2063[^\u2063]*\u2063)?)/;
  const cited = (source, number, doubt) => {
    const link = document.createElement('a');
    link.textContent = number;
    link.href = `#source-${number}`;
    link.className = 'gc-cite';
    link.dataset.gcCite = number;
    if (!doubt) return [link];
    const mark = document.createElement('span');
    link.classList.add('gc-doubted');
    mark.className = 'gc-doubt';
    mark.textContent = doubt.replace(/^ \(|\)$/g, '');
    mark.title = source.dataset.gcDoubt || '';
    mark.dataset.gcCite = number;
    return [link, ' ', mark];
  };
  const textsOf = row => {
    const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) found.push(walker.currentNode);
    return found;
  };
  const tidyAnswers = () => {
    for (const row of document.querySelectorAll('#gc-chat .bot-row')) {
      const sourced = row.querySelector('.gc-source');
      for (const node of textsOf(row)) {
        if (node.data.includes('\u2060') && node.parentElement.closest('.md')) node.data = node.data.replaceAll('\u2060', '');
        if (!sourced || !CITED.test(node.data) || node.parentElement.closest('a, code, pre, button, .gc-source, .gc-foot')) continue;
        node.replaceWith(...node.data.split(CITED).filter(Boolean).flatMap(part => {
          const [, number, doubt] = /^\[(\d+)\](?:\u2063(.*)\u2063)?$/.exec(part) || [];
          const source = number && row.querySelector(`[data-source="${number}"]`);
          return source ? cited(source, number, doubt) : [part];
        }));
      }
    }
  };
  const label = () => {
    for (const [selector, name] of Object.entries(names)) {
      const found = document.querySelector(selector);
      if (found && found.getAttribute('aria-label') !== name) found.setAttribute('aria-label', name);
    }
    // Gradio names a message “a component of type html”: its text is name enough.
    document.querySelectorAll('#gc-chat [data-testid][aria-label]').forEach(part => part.removeAttribute('aria-label'));
  };
  const showPlace = () => {
    const place = document.querySelector('#gc-viewer :is(.gc-quoted, .gc-passage)');
    const shown = document.querySelector('#gc-viewer article');
    if (!shown || shown.seen === shown.innerHTML.length + shown.dataset.gcDocument + shown.dataset.gcFirst + (place?.textContent || '')) return;
    shown.seen = shown.innerHTML.length + shown.dataset.gcDocument + shown.dataset.gcFirst + (place?.textContent || '');
    if (place) place.scrollIntoView({block: 'center'});
    else shown.closest('.sidebar-content')?.scrollTo(0, 0);
  };

  const chosen = localStorage.getItem('groundchat-theme');
  if (chosen && !new URLSearchParams(location.search).has('__theme')) {
    document.body.classList.toggle('dark', chosen === 'dark');
  }
  // A phone's screen belongs to the chat: the sidebar waits behind its button.
  if (innerWidth < 768) document.querySelector('#gc-side.open .toggle-button')?.click();

  document.documentElement.lang = chinese ? 'zh' : 'en';
  let waiting = false, shown = '';
  new MutationObserver(changes => {
    if (unheard && changes.some(change => change.target.parentElement?.closest('#gc-chat, #gc-note'))) unheard = 0;
    // What was just asked comes into view, wherever the conversation was scrolled to.
    const newest = asked().at(-1)?.dataset.gcTurn;
    if (follow && newest && newest !== shown) {
      follow = false;
      const pane = document.querySelector('#gc-chat .bubble-wrap');
      requestAnimationFrame(() => pane?.scrollTo(0, pane.scrollHeight));
    }
    shown = newest;
    // A tab's conversation outlives a reload of the tab, and only that.
    if (page.tab && asked().length) sessionStorage.setItem('groundchat-conversation', page.tab);
    const note = document.querySelector('#gc-note [data-gc-moved]:not([data-seen])');
    if (note) {
      note.dataset.seen = '1';
      keepEarlier(note);
    }
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      tidyAnswers();
      label();
      showPlace();
    });
  }).observe(document.body, {childList: true, subtree: true, characterData: true});
  label();
}
