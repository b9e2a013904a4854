"""Brands, with the product that people mean by them."""

from __future__ import annotations

from releaf.vocabulary import rows

_ROWS = """
soda = coke | coca cola | pepsi | sprite | fanta | dr pepper | 7up | mountain dew | canada dry |
    schweppes | irn bru
energy drink = red bull | monster energy | rockstar energy
juice = tropicana | minute maid | ocean spray | innocent
water = evian | dasani | aquafina | perrier | nestle water | san pellegrino | fiji water | volvic |
    poland spring
sports drink = gatorade | powerade | lucozade
beer = heineken | budweiser | bud light | corona | molson | stella artois | guinness | carlsberg | coors
    | asahi | kirin | sapporo | labatt
liquor = smirnoff | absolut | jack daniels | bacardi | johnnie walker | captain morgan | jim beam | vodka
    | whiskey | gin | rum | tequila | brandy | cognac
chip = lays | fritos | sun chips | hula hoops crisps | doritos | ruffles | cheetos | walkers | tostitos |
    kettle chip | frito lay | takis
candy = snickers | mars | kitkat | kit kat | twix | m and m | skittle | haribo | smartie | cadbury |
    hershey | reese | lindt | toblerone | nestle | bounty | milky way | mm
coffee cup = starbucks | tim hortons | costa coffee | dunkin | second cup
coffee pod = nespresso | keurig | tassimo | dolce gusto
cracker = ritz | jacobs cracker | triscuit | wheat thins
cookie = oreo | chips ahoy | hobnob | digestives | mcvitie
soup = campbell | progresso
beans = heinz beans
peanut = planters
cereal = kellogg | cheerios | cornflake | corn flake | weetabix | froot loop | quaker
cheese = philadelphia | kraft cheese | babybel
yogurt = danone | activia | yoplait | chobani | muller
ice cream = ben and jerry | haagen dazs | magnum
nut butter = nutella | skippy | jif
ketchup = heinz
mayonnaise = hellmann
dog food = pedigree | purina
cat food = whiskas | felix
tea = tetley | lipton | red rose | twinings | pg tips
food container = rubbermaid | lock and lock | tupperware
ziploc bag = ziploc | ziplock | glad bag
facial tissue = kleenex | scotties | puffs
paper towel = bounty paper towel | brawny
toilet paper = charmin | andrex | cottonelle
diaper = pampers | huggies | depends | depend | pull ups | pullups | luvs
tampon = tampax | ob tampon
sanitary pad = always | kotex | stayfree
condom = durex | trojan
band aid = elastoplast | hansaplast
cotton swab = qtips
razor = gillette | bic razor | schick
toothpaste = colgate | crest | sensodyne | aquafresh
toothbrush = oral b
mouthwash = listerine | scope
shampoo = head and shoulders | pantene | herbal essence | dove | garnier
deodorant = old spice | axe spray | lynx
lotion = nivea | vaseline
detergent = tide | persil | ariel | gain | fairy liquid | dawn | palmolive | cascade | downy
bleach = clorox | javex | domestos
cleaner = windex | lysol | mr clean | cif | pine sol | febreze | easy off | ajax | fantastik | vim
drain cleaner = drano | draino | liquid plumr
cleaning wipe = lysol wipe | clorox wipe
duster = swiffer
glue = elmer | gorilla glue | krazy glue | super glue | superglue | loctite | uhu | pritt | araldite
lubricant = wd 40 | wd40
weed killer = roundup weed killer | scotts weed
insecticide = raid | baygon
insect repellent = off spray | deep woods off
antifreeze = prestone
motor oil = castrol | mobil 1 | quaker state | pennzoil
alkaline battery = duracell | energizer | eveready | rayovac | copper top | coppertop | panasonic battery
electronic cigarette = juul | elf bar | elfbar | lost mary | iqos | vuse | blu cig
lighter = bic | bic lighter | zippo | zippo lighter
cigarette = marlboro | camel | du maurier
medicine = tylenol | advil | aspirin | ibuprofen | paracetamol | acetaminophen | aleve | nurofen |
    panadol | benadryl | claritin | reactine | tums | gravol | viagra | ozempic | prozac | xanax |
    lipitor | metformin | amoxicillin | penicillin | pepto bismol | nyquil | buckley | gaviscon | zyrtec
    | motrin | sudafed | imodium | codeine | oxycontin | oxycodone | morphine | fentanyl | percocet
inhaler = ventolin | puffer | symbicort
epipen = epipen auto injector
insulin = lantus | humalog
marker = sharpie | crayola marker | texta
crayon = crayola
correction fluid = wite out | tipp ex | liquid paper | tippex
toy = lego | playmobil | hot wheels | fisher price | nerf | duplo | mega bloks | transformers
doll = barbie | bratz
playdough = play doh | playdoh
video game = playstation game | xbox game
video game console = xbox | playstation | nintendo switch | nintendo | wii | ps4 | ps5 | gameboy | game
    boy | sega
laptop = macbook | chromebook | thinkpad | macbook pro | macbook air
computer = imac | mac mini
tablet computer = ipad | galaxy tab | surface tablet
e reader = kindle | kobo | nook
cell phone = iphone | samsung galaxy | galaxy phone | pixel phone | nokia | blackberry | galaxy | oneplus
    | huawei phone
mp3 player = ipod | walkman | discman
smart speaker = alexa | google home | amazon echo
headphone = airpods | beats headphone
vacuum cleaner = dyson | roomba | bissell
coffee maker = mr coffee | moccamaster
blender = vitamix | nutribullet
food processor = cuisinart | thermomix
slow cooker = crock pot | crockpot | instant pot
mixer = kitchenaid
glass dish = pyrex | corningware | visionware
water filter = brita
water bottle = nalgene | hydro flask | stanley cup | camelbak | swell bottle
sneaker = nike | adidas | converse | puma | reebok | new balance | vans
jeans = levis | wrangler | levi
rain boot = hunter boot
sandal = croc | birkenstock | flip flop
recliner = la z boy | lazy boy
bbq = weber | traeger
air freshener = glade | air wick
plastic wrap = saran
sticky note = post its
steel wool = brillo | sos pad | brillo pad
sponge = scotch brite
hook and loop = velcro
vitamin = centrum
chip tube = pringles
power drill = black and decker | dewalt
jerky = slim jim
fertilizer = miracle gro | miracle grow
plexiglass = lucite | perspex | acrylite | plexiglas
foil juice pouch = capri sun | kool aid jammer
 = ikea | amazon | samsung | sony | panasonic | toshiba | philips | bosch | lg | hp | epson | canon |
    brother | dell | lenovo | apple | walmart | costco | target | home depot | canadian tire | tesco |
    lidl | aldi | whirlpool | ge | braun | black decker | toyota | honda | ford | acer | asus | huawei |
    google | microsoft | nestle brand | mcdonald | mcdonalds | burger king | kfc | subway | wendy | gucci
    | prada | zara | h and m
"""

BRANDS = {
    tuple(other.split()): tuple(name.split())
    for name, _, others in (row.partition("= ") for row in rows(_ROWS))
    for other in others.split(" | ")
}
"""Words of a brand, with the words of its product; none where the brand has many products."""
