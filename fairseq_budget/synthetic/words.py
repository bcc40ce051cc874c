"""The vocabulary of the sentence generator: common English words, none of which begins with a silent h or a spoken y.

(So `an` goes before a written vowel and nowhere else.)  Verbs are in the past tense, which needs no agreement.
"""

from __future__ import annotations

NAMES = tuple(
    "Alice Anna Arthur Clara David Edward Ellen George Helen Henry James Jane John Margaret Martin Mary "
    "Oliver Peter Richard Robert Ruth Samuel Sarah Simon Thomas Walter William".split()
)
PEOPLE = tuple(
    "actor artist aunt baker boy brother captain child clerk cook cousin dancer daughter doctor driver farmer "
    "father fisherman friend gardener girl guard hunter judge king lady lawyer man merchant miller mother "
    "neighbor nurse painter pilot poet priest prince queen sailor servant shepherd singer sister soldier "
    "stranger student teacher thief tailor traveler uncle visitor widow woman writer".split()
)
ANIMALS = tuple(
    "bear bird cat cow crow deer dog donkey duck eagle fox frog goat horse lamb lion mouse owl pig rabbit "
    "sheep snake swan tiger wolf".split()
)
THINGS = tuple(
    "apple basket bell blanket boat book bottle box bread bridge brush candle carpet chair clock cloth coat "
    "coin cup curtain door drum feather fence flag flower gate glass glove hammer hat jewel kettle key knife "
    "ladder lamp lantern leaf letter map mirror nail needle newspaper orange oven paper pencil piano picture "
    "pipe plate pocket pot purse ring rope saddle sail shirt shoe shovel spoon stone sword table ticket tool "
    "towel violin wagon wheel window".split()
)
PLACES = tuple(
    "attic barn beach bridge castle cellar church city corner cottage court desert factory farm field forest "
    "garden harbor hill hotel island kitchen lake library market meadow mill mountain office orchard palace "
    "park path prison river road school shop shore square stable station street temple theater tower town "
    "valley village yard".split()
)
ADJECTIVES = tuple(
    "angry ancient bitter black blue brave bright broken brown calm careful cheap clean clever cold crooked "
    "curious dark deep dusty early empty famous fat foolish frozen gentle golden gray great green heavy "
    "hidden hungry kind large lazy little lonely long loud lucky narrow new noble old pale patient plain poor "
    "proud quick quiet red rich rough sad sharp short silent silver simple slow small soft strange strong "
    "sweet tall thin tired ugly warm weak wet white wide wild wise wooden yellow young".split()
)
ADVERBS = tuple(
    "alone already badly bravely calmly carefully eagerly easily gladly gently hardly kindly loudly neatly "
    "never nearly often once patiently politely quickly quietly rarely sadly secretly silently slowly softly "
    "suddenly twice".split()
)
TRANSITIVE = tuple(
    "admired asked avoided blamed bought broke brought carried caught chased chose cleaned counted covered "
    "described discovered drew dropped examined feared fetched followed forgot found gave greeted guarded hid "
    "held helped ignored invited kept kicked knew left lifted liked loved measured met missed moved needed "
    "noticed opened painted praised pulled pushed raised reached remembered repaired saved saw sent shook "
    "showed sold stole stopped thanked threw took touched trusted wanted warned washed watched".split()
)
INTRANSITIVE = tuple(
    "arrived bowed climbed cried danced fell fished grinned hesitated hid jumped laughed listened nodded "
    "paused prayed ran rested returned rose sang sat shivered shouted sighed slept smiled sneezed spoke stood "
    "stumbled swam talked trembled turned vanished waited walked wandered wept whispered whistled worked "
    "yawned".split()
)
PREPOSITIONS = tuple(
    "above across against along around behind below beside beyond by in inside into near on outside over "
    "through toward under".split()
)
CONJUNCTIONS = tuple("after although and as because before but for since so until when while".split())
TIMES = (
    "after a long winter",
    "after supper",
    "all night",
    "at dawn",
    "at last",
    "at midnight",
    "at noon",
    "before the storm",
    "during the war",
    "every morning",
    "every other week",
    "for many years",
    "in the afternoon",
    "in the end",
    "late in the evening",
    "many years ago",
    "on the first day of spring",
    "on the third day",
    "that night",
    "the next morning",
    "two hours later",
    "without a word",
)
DETERMINERS = ("a", "a", "a", "the", "the", "the", "the", "this", "that", "his", "her", "their", "my", "our", "every")
