"""What English questions were answered with, before something else was asked: the turns of `tests.followups_en`."""

from __future__ import annotations

from retrieval.query import Turn

TURNS = {
    "penicillin": Turn(
        "Who discovered penicillin?",
        "Alexander Fleming was a Scottish physician and bacteriologist who discovered penicillin, the first widely "
        "used antibiotic, in 1928. [2] Penicillin was discovered by Alexander Fleming in September 1928 at St Mary's "
        "Hospital in London. [1]",
        "Alexander Fleming",
    ),
    "mountain": Turn(
        "whats the tallest mountain",
        "Mount Everest in the Himalayas is the highest mountain on Earth above sea level, at 8,848.86 metres. [1]",
        "Mount Everest",
    ),
    "tallest?": Turn("whats the tallest mountain"),
    "van gogh": Turn(
        "tell me about vincent van gogh",
        "Vincent van Gogh was a Dutch painter whose strong colours and swirling brushstrokes made him one of the most "
        "famous artists in the world. [1]",
        "Vincent van Gogh",
    ),
    "vaccine": Turn(
        "who made the first vaccine",
        "Edward Jenner, an English country doctor, made the first vaccine in 1796. [1]",
        "Vaccines",
    ),
    "moon": Turn(
        "who was the first person on the moon",
        "Neil Armstrong was the first person to walk on the Moon, on 20 July 1969, American time, during the Apollo 11 "
        "mission. [1] Neil Armstrong was the first person to set foot on the Moon, and Buzz Aldrin followed about "
        "twenty minutes later. [2]",
        "The Moon",
    ),
    "dinosaurs": Turn(
        "what killed the dinosaurs",
        "The dinosaurs most probably died out because an asteroid about ten kilometres wide struck the Earth about 66 "
        "million years ago and left the Chicxulub crater in Mexico. [2]",
        "Dinosaurs",
    ),
    "south pole": Turn(
        "who was first to reach the south pole",
        "The Norwegian Roald Amundsen led the first party to reach the South Pole, on 14 December 1911. [1]",
        "Antarctica",
    ),
    "python": Turn(
        "who invented python",
        "Python was created by the Dutch programmer Guido van Rossum and first released in February 1991. [1]",
        "Python Programming Language",
    ),
    "plane": Turn(
        "who made the first plane",
        "The first controlled, powered flight of an aeroplane was made by the brothers Orville and Wilbur Wright on 17 "
        "December 1903 near Kitty Hawk in North Carolina. [2]",
        "Aeroplane",
    ),
    "programmer": Turn(
        "who was the first computer programmer",
        "Ada Lovelace was an English mathematician who is often called the first computer programmer. [1]",
        "Ada Lovelace",
    ),
    "titanic": Turn(
        "why did the titanic sink",
        "The Titanic was a British passenger ship that sank in the North Atlantic on 15 April 1912, on its first "
        "voyage, after striking an iceberg. [2] Many lifeboats were launched half empty. [1]",
        "Titanic",
    ),
    "mona lisa": Turn(
        "who painted the mona lisa",
        "Leonardo da Vinci painted the Mona Lisa and The Last Supper and filled thousands of notebook pages with "
        "studies of nature and machines. [5]",
        "Leonardo da Vinci",
    ),
    "ear": Turn(
        "how did van gogh lose his ear",
        "In December 1888, after a quarrel with the painter Paul Gauguin, Van Gogh cut off his left ear. [1]",
        "Vincent van Gogh",
    ),
    "planet": Turn(
        "which planet is the hottest",
        "Venus is the hottest planet, with a surface temperature of about 465 degrees Celsius, because its thick "
        "carbon dioxide atmosphere traps heat. [1]",
        "Solar System",
    ),
    "dna": Turn(
        "who discovered the structure of dna",
        "James Watson and Francis Crick worked out the structure of DNA in Cambridge in 1953. [1]",
        "DNA",
    ),
    "wall": Turn(
        "when was the berlin wall built",
        "East Germany built the Berlin Wall to stop its people from leaving for the West. [1] The border was closed "
        "with barbed wire in the early hours of 13 August 1961. [1]",
        "Berlin Wall",
    ),
    "nile": Turn(
        "what is the longest river in africa",
        "The Nile is a river in north-eastern Africa and is usually regarded as the longest river in the world, with a "
        "length of about 6,650 kilometres. [1]",
        "Nile",
    ),
    "hamlet": Turn(
        "who wrote hamlet", "Hamlet is a tragedy by William Shakespeare, written around 1600. [2]", "Hamlet"
    ),
    "marathon": Turn(
        "what is a marathon",
        "The marathon is a running race over 42.195 kilometres, or 26 miles and 385 yards. [2]",
        "Marathon",
    ),
    "taj mahal": Turn(
        "who built the taj mahal",
        "The Mughal emperor Shah Jahan had the Taj Mahal built as a tomb for his wife Mumtaz Mahal. [2]",
        "Taj Mahal",
    ),
    "mandela": Turn(
        "who was nelson mandela",
        "Nelson Mandela was a South African leader in the struggle against apartheid, the system of racial separation, "
        "and the first black president of South Africa. [1]",
        "Nelson Mandela",
    ),
    "france": Turn("what's the capital of France", "Paris is the capital and largest city of France. [1]", "France"),
    "days off": Turn(
        "how many days off do I get?", "You get 25 days of paid holiday a year, plus bank holidays. [1]", "Handbook"
    ),
    "battery": Turn(
        "how long does the battery last?", "The battery lasts about 14 days with normal use. [1]", "AquaDrop FAQ"
    ),
    "cup": Turn(
        "who won the world cup in 1994",
        "Brazil won the 1994 World Cup in the United States, on penalties against Italy. [1]",
        "Football World Cup",
    ),
    "boiler": Turn(
        "how much is the boiler repair", "The boiler repair comes to 2,750 pounds plus VAT. [1]", "Minutes of 4 May"
    ),
    "thanks": Turn("thanks", "You're welcome! Ask on whenever you like."),
    "everest": Turn(
        "how high is mount everest",
        "Mount Everest in the Himalayas is the highest mountain on Earth above sea level, at 8,848.86 metres. [1]",
        "Mount Everest",
    ),
    "curie": Turn(
        "what did marie curie discover",
        "Marie Curie and her husband Pierre discovered polonium and radium in 1898. [1]",
        "Marie Curie",
    ),
    "ww2": Turn(
        "when did world war 2 start",
        "World War II began on 1 September 1939, when Germany invaded Poland. [1]",
        "World War II",
    ),
    "coffee": Turn(
        "where does coffee come from",
        "The coffee plant comes from Ethiopia, and the drink became common in Yemen in the fifteenth century. [1]",
        "Coffee",
    ),
    "contract": Turn(
        "What does the contract say about notice?", "Either side may give a month's notice. [1]", "Contract"
    ),
    "Annex B": Turn("What does Annex B say about notice?", "Either side may give a month's notice. [1]", "Contract"),
    "Einstein": Turn("What did Einstein say about quantum theory?", "That God does not play dice. [1]", "Einstein"),
    "phone": Turn(
        "Who invented the telephone?", "Alexander Graham Bell patented the telephone in 1876. [1]", "Telephone"
    ),
    "vinci": Turn(
        "tell me about leonardo da vinci",
        "Leonardo da Vinci was an Italian painter and engineer of the Renaissance. [1]",
        "Leonardo da Vinci",
    ),
    "vitamin": Turn(
        "what does vitamin c do", "Vitamin C helps the body to make collagen and to take up iron. [1]", "Vitamins"
    ),
    "amazon": Turn(
        "is the amazon the longest river?",
        "The Amazon is the largest river in the world by the volume of its water. [1]",
        "Amazon River",
    ),
    "heart": Turn(
        "how many chambers does the heart have?",
        "The human heart has four chambers: two atria and two ventricles. [1]",
        "The Human Heart",
    ),
    "frida": Turn(
        "who was frida kahlo", "Frida Kahlo was a Mexican painter known for her self-portraits. [1]", "Frida Kahlo"
    ),
    "lease": Turn(
        "what is the notice period?", "The notice period is two months for both sides. [1]", "Tenancy agreement"
    ),
    "meeting": Turn("who is leaving the company?", "Priya is leaving at the end of June. [1]", "Minutes"),
    "oven": Turn("can i use foil in the air fryer?", "Do not cover the basket with foil. [1]", "Air fryer manual"),
    "python2": Turn(
        "when was python released",
        "Python was created by the Dutch programmer Guido van Rossum and first released in February 1991. [1]",
        "Python Programming Language",
    ),
    "baikal": Turn(
        "what is the deepest lake",
        "Lake Baikal in Siberia is the deepest lake in the world, with a depth of 1,642 metres. [1]",
        "Lake Baikal",
    ),
    "revolution": Turn(
        "why did the french revolution start",
        "The state was bankrupt after costly wars, and bread was dear after a bad harvest. [1]",
        "French Revolution",
    ),
    "beethoven": Turn(
        "When was Beethoven born?",
        "Ludwig van Beethoven was baptised in Bonn on 17 December 1770. [1]",
        "Ludwig van Beethoven",
    ),
    "switz": Turn(
        "what languages are spoken in switzerland",
        "Switzerland has four national languages: German, French, Italian and Romansh. [1]",
        "Switzerland",
    ),
    "bread": Turn(
        "how do i make bread", "Mix flour, water, salt and yeast, and knead the dough for ten minutes. [1]", "Bread"
    ),
    "bell": Turn(
        "who founded the red cross",
        "The Red Cross was founded by the Swiss businessman Henry Dunant in 1863. [1]",
        "Red Cross",
    ),
    "lincoln": Turn(
        "who shot abraham lincoln",
        "Abraham Lincoln was shot by the actor John Wilkes Booth at Ford's Theatre in Washington. [1]",
        "Abraham Lincoln",
    ),
    "suez": Turn("how long is the suez canal", "The Suez Canal is 193 kilometres long. [1]", "Suez Canal"),
    "bees": Turn("why are bees important?", "Bees pollinate about a third of the food crops. [1]", "Bee"),
    "hitler": Turn(
        "when did hitler die", "Adolf Hitler killed himself in Berlin on 30 April 1945. [1]", "World War II"
    ),
    "chess": Turn(
        "who is the best chess player", "Magnus Carlsen of Norway has been ranked first since 2011. [1]", "Chess"
    ),
}
