// What the page does in the browser alone: links on citation numbers, copying, light and dark.
() => {
  const JOINER = /(?<=[<&!])\u2060/g; // what ui/render.py puts in to show tags as text
  const clipboard = navigator.clipboard;
  if (clipboard) {
    const write = clipboard.writeText.bind(clipboard);
    clipboard.writeText = text => write(text.replace(JOINER, ''));
  }

  // [1] in an answer becomes a link that opens source 1 under the same answer.
  const linkCitations = () => {
    for (const row of document.querySelectorAll('#gc-chat .bot-row, #gc-chat .bot')) {
      if (!row.querySelector('.gc-source')) continue;
      const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
      const found = [];
      while (walker.nextNode()) {
        const node = walker.currentNode;
        if (/\[\d+\]/.test(node.data) && !node.parentElement.closest('a, code, pre, button, .gc-source, .gc-foot')) {
          found.push(node);
        }
      }
      for (const node of found) {
        const parts = node.data.split(/(\[\d+\])/);
        node.replaceWith(...parts.filter(Boolean).map(part => {
          const number = /^\[(\d+)\]$/.exec(part);
          if (!number || !row.querySelector(`[data-source="${number[1]}"]`)) return document.createTextNode(part);
          const link = document.createElement('a');
          link.textContent = number[1];
          link.href = `#source-${number[1]}`;
          link.className = 'gc-cite';
          link.dataset.gcCite = number[1];
          return link;
        }));
      }
    }
  };

  document.addEventListener('click', event => {
    const cite = event.target.closest('[data-gc-cite]');
    if (cite) {
      event.preventDefault();
      const source = cite.closest('.bot-row, .bot').querySelector(`[data-source="${cite.dataset.gcCite}"]`);
      source.open = true;
      source.scrollIntoView({block: 'nearest', behavior: 'smooth'});
      source.querySelector('summary').focus();
    }
    const copy = event.target.closest('[data-gc-copy]');
    if (copy && clipboard) {
      clipboard.writeText(copy.dataset.gcCopy);
      const label = copy.textContent;
      copy.textContent = copy.dataset.gcCopied;
      setTimeout(() => { copy.textContent = label; }, 1500);
    }
    if (event.target.closest('#gc-theme')) {
      const dark = document.body.classList.toggle('dark');
      localStorage.setItem('groundchat-theme', dark ? 'dark' : 'light');
    }
  });

  const chosen = localStorage.getItem('groundchat-theme');
  if (chosen && !new URLSearchParams(location.search).has('__theme')) {
    document.body.classList.toggle('dark', chosen === 'dark');
  }
  // A phone's screen belongs to the chat: the sidebar waits behind its button.
  if (innerWidth < 768) document.querySelector('#gc-side.open .toggle-button, .sidebar.open:has(#gc-side) .toggle-button')?.click();

  const named = {'#gc-theme': 'Light / dark'};
  for (const [selector, label] of Object.entries(named)) {
    document.querySelector(selector)?.setAttribute('aria-label', label);
  }

  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      linkCitations();
      const passage = document.querySelector('#gc-viewer mark.gc-passage:not([data-seen])');
      if (passage) {
        passage.dataset.seen = '1';
        passage.scrollIntoView({block: 'center'});
      }
    });
  }).observe(document.body, {childList: true, subtree: true, characterData: true});
}
