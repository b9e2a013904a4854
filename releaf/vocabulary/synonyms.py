"""Names of one and the same item: the first name of a row stands for all others."""

from __future__ import annotations

from releaf.vocabulary import rows

_ROWS = """
diaper = nappy
stroller = baby carriage | pram | pushchair | push chair | baby buggy | baby stroller | buggy
sofa = couch | settee | chesterfield | loveseat | love seat
tv = television | tv set | television set | flat screen | flat screen tv | flatscreen | flatscreen tv |
    lcd tv | crt tv | plasma tv | smart tv | oled tv | led tv
cell phone = mobile phone | cellphone | cellular phone | smart phone | smartphone | mobile | handphone |
    android phone | flip phone | phone
telephone = landline | landline phone | telephone landline | home phone | house phone | cordless phone |
    desk phone
phone book = telephone directory | phone directory | telephone book | telephone directory book | yellow
    page
phone charger = cell phone charger | mobile charger | mobile phone charger | usb charger | charging cable
    | charger cable
phone case = cell phone case | mobile phone case
computer = pc | desktop | desktop computer | desktop pc | computer tower | personal computer
laptop = notebook computer | portable computer | laptop computer | computer notebook | netbook
e reader = ebook reader | e book reader | ereader
photocopier = copier | copy machine | xerox copier
refrigerator = fridge | fridge freezer | refrigerator freezer | icebox
freezer = deep freeze | deep freezer | chest freezer
washing machine = washer | clothes washer | laundry machine
clothes dryer = dryer | drier | tumble dryer | tumble drier | clothing dryer
stove = electric stove | electric cooker | gas cooker | electric oven | gas stove | oven | cooker | range
    | cooktop | hob | cooking stove
microwave = microwave oven
vacuum cleaner = vacuum | hoover | vac | hand vacuum
hair dryer = blow dryer | hairdryer | blowdryer | hair drier
bicycle = bike | push bike | pushbike | mountain bike | road bike | racing bike | bycicle
ebike = e bike | electric bike | electric bicycle | pedelec
motorcycle = motorbike | moped
air conditioner = ac | ac unit | aircon | air con | air conditioning unit
tire = car tire | auto tire | automobile tire | vehicle tire | truck tire
bookshelf = book shelf | bookcase | book case
dresser = chest of drawer | bureau | clothing dresser | chest drawer | drawer chest
wardrobe = armoire | clothes closet
clothes = clothing | apparel | garment | unwanted clothes | clothe
sneaker = runner | trainer | running shoe | tennis shoe | gym shoe | plimsoll | athletic shoe
shirt = t shirt | tshirt | tee shirt | polo shirt | blouse | tee
pants = dungaree | dungarees | overall | overalls | chinos | joggers | sweatpants | trousers | slacks |
    trouser
sweater = jumper | pullover | sweatshirt | hoodie | cardigan
pantyhose = panty hose | tights | nylons | stocking
scarf = scarve
bed sheet = sheet | bedsheet | sheet pad | pillowcase | pillow case | bed linen | duvet cover
duvet = comforter | quilt | down comforter | goose down duvet | doona
hanger = coat hanger | clothes hanger | coathanger | clotheshanger
stuffed animal = teddy bear | teddy | plush toy | plush | plushie | cuddly toy | soft toy | stuffed toy
flashlight = pocket torch | hand torch | electric torch | head torch | torch | pocket lamp | headlamp
bulb = light bulb | lamp bulb | electric bulb | lightbulb
incandescent bulb = incandescent | filament bulb | incandescent lamp | tungsten bulb
halogen bulb = halogen | halogen lamp | halogen light
led bulb = led | led light | led lamp | light emitting diode
fluorescent bulb = fluorescent light | fluorescent tube | fluorescent light tube | fluorescent lamp |
    fluorescent | strip light | neon tube | neon light | tube light | tl tube
cfl = compact fluorescent | compact fluorescent bulb | compact fluorescent light | compact fluorescent
    lamp | compact fluorescent tube | cfl bulb | cfl light | energy saving bulb | energy saver bulb |
    energy saving lamp | energy saver | low energy bulb | energy efficient bulb
alkaline battery = aa battery | aaa battery | aa | aaa | double a battery | triple a battery | double a |
    triple a | c battery | d battery | 9v battery | 9 volt battery | nine volt battery | c cell | d cell
    | dry cell battery | dry cell | household battery | alkaline | penlight battery | aa cell | aaa cell
    | zinc carbon battery | alkaline manganese battery
button battery = button cell | button cell battery | coin cell | coin battery | coin cell battery | watch
    battery | cr2032 | cr2025 | lr44 | silver oxide battery | button cell watch battery
lithium battery = lithium ion battery | li ion battery | lipo battery | lithium polymer battery | lithium
    cell | lithium ion cell | li ion | lithium ion | 18650 battery | 18650
rechargeable battery = nicad | ni cad | nimh battery | nickel cadmium battery | ni cd battery | nicd
    battery | rechargeable cell | nimh
vehicle battery = car battery | auto battery | automobile battery | truck battery | lead acid battery |
    vehicle lead acid battery | automotive battery | boat battery | motorcycle battery | motorbike
    battery | marine battery
computer battery = laptop battery | notebook battery
cell phone battery = cell phone battery pack | phone battery | smartphone battery | mobile battery
    | mobile phone battery
power bank = powerbank | portable charger | portable phone charger | portable cell phone charger |
    battery bank | usb power bank | lithium ion power bank | li ion power bank
electronic cigarette = vape | vape pen | e cigarette | e cig | ecig | ecigarette | vaporizer | vaping
    device | vape cartridge | vape pod | vape device | vape stick | vapes
printer cartridge = ink cartridge | inkjet cartridge | ink jet | inkjet | ink jet cartridge | inkjet
    container | printer ink | laser cartridge | toner cartridge | toner | ink toner cartridge | printer
    ink cartridge | printer toner
remote control = tv remote | remote | tv remote control | clicker
soda = pop | soft drink | fizzy drink | cola
soda can = pop can | can of soda
chip bag = chip packet | potato chip bag | chip bags | potato chip packet | chips bag
candy wrapper = sweet wrapper | chocolate wrapper | chocolate bar wrapper | candy bar wrapper | sweetie
    wrapper | toffee wrapper
granola bar wrapper = cereal bar wrapper | energy bar wrapper | protein bar wrapper
plastic wrap = cling film | clingfilm | cling wrap | saran wrap | saran | food wrap | glad wrap | plastic
    film | plastic food wrap | plastic cling wrap | sandwich wrap
aluminum foil = tin foil | foil | alfoil | alufoil | silver foil | kitchen foil | baking foil
aluminum tray = foil tray | foil container | foil pan | foil dish | aluminum pan | aluminum container |
    aluminum takeout container
aluminum pie plate = foil pie pan | pie tin | foil pie plate | pie plate | pie pan
paper towel = kitchen roll | kitchen paper | kitchen towel | paper toweling
paper towel roll = kitchen roll tube | paper towel tube | kitchen roll core
toilet paper roll = toilet roll | toilet roll tube | toilet paper tube | loo roll | toilet tube | loo
    roll tube | toilet paper core
facial tissue = tissue | paper tissue | snot rag
napkin = serviette | paper napkin | paper serviette
sanitary pad = sanitary towel | sanitary napkin | maxi pad | sanitary liner | pantyliner | panty liner |
    menstrual pad | feminine pad | period pad
cotton swab = q tip | qtip | cotton bud | ear swab | cotton tipped swab | ear cleaner
band aid = adhesive bandage | sticking plaster | bandaid | adhesive plaster | bandage
wet wipe = baby wipe | flushable wipe | wet nap | face wipe | diaper wipe | makeup wipe | make up wipe |
    disinfecting wipe | cleaning wipe | towelette | moist towelette | antibacterial wipe | wipe
coffee pod = k cup | kcup | coffee capsule | coffee disc | k cup coffee pod | espresso pod | espresso
    capsule
coffee grounds = coffee ground | coffee grind | used coffee | spent coffee
coffee filter = paper coffee filter
take out coffee cup = takeout coffee cup | takeaway coffee cup | take away coffee cup | to go coffee cup
    | to go cup | coffee cup takeout | takeaway cup | takeout cup | paper coffee cup | disposable coffee
    cup | coffee cup paper | hot drink paper cup | disposable hot beverage cup
take out container = takeout container | takeaway container | takeaway box | takeout box | to go
    container | doggy bag box | take away container | plastic take out food container
food scrap = left over food | leftover food | food leftover | leftover | uneaten food | spoiled food |
    rotten food | food waste | kitchen scrap | food remain | plate scraping | table scrap | kitchen waste
    | organic waste | food scrap all
vegetable peel = vegetable peeling | vegetable scrap | vegetable skin | potato peel | potato peeling |
    carrot peel
fruit peel = banana peel | banana skin | orange peel | apple peel | fruit skin | lemon peel | fruit rind
    | citrus peel | melon rind | watermelon rind | banana
fruit core = apple core | pear core
fruit pit = fruit stone | cherry pit | peach stone | peach pit | cherry stone | plum stone
eggshell = egg shell
bone = chicken bone | meat bone | fish bone | beef bone | turkey bone | rib bone
pet waste = dog poop | dog poo | dog waste | dog mess | dog dropping | dog feces | animal poop | cat poop
    | dog pooh | doggie doo | dog poop bag | dog poo bag | poop bag | cat poo | pet poop | dog turd
pet litter = cat litter | kitty litter | litter box content
grass clippings = grass clipping | lawn clipping | cut grass | mown grass | grass cutting | grass | lawn
    cutting
leaf = fallen leaf | autumn leaf | dead leaf | raked leaf | yard leaf
branch = tree branch | twig | tree limb | tree trimming | stick from tree
weed = garden weed | pulled weed
holiday light = christmas light | fairy light | string light | festival light | light string | festive
    light | christmas tree light | christmas bulb
bottle cap = bottle top | beer cap | crown cap | beer bottle cap | bottle lid | metal bottle cap
cardboard = cardboard box | corrugated cardboard | corrugated box | packing box | moving box | shipping
    box | delivery box | parcel box | carton box | old corrugated cardboard | cardboard packaging |
    cardboard carton | unwaxed cardboard
wrapping paper = gift wrap | gift wrapping paper | giftwrap | present paper
greeting card = birthday card | christmas card | paper greeting card | holiday card
hardcover book = hardback book | hardback | hardcover
paperback book = paperback | soft cover book | softcover book
flyer = leaflet | pamphlet | brochure | circular | advertising flyer | ad
sticky note = post it note | post it
receipt = till receipt | cash receipt | sales receipt | shop receipt | store receipt | till slip
plastic bag = carrier bag | shopping bag | grocery bag | plastic shopping bag | plastic grocery bag |
    plastic carrier bag | poly bag | plastic retail bag | supermarket bag
ziploc bag = zip lock bag | ziplock bag | zipper bag | zip bag | sandwich bag | freezer bag | resealable
    bag | plastic sandwich bag | resealable plastic bag | ziploc freezer bag | ziploc sandwich bag | zip
    top bag
bread bag = plastic bread bag | bread wrapper | bread bag plastic
styrofoam = polystyrene | expanded polystyrene | eps | expanded polystyrene foam | eps foam | polystyrene
    foam
packing peanut = foam peanut | styrofoam peanut | packing chip | foam packaging peanut | packing foam
    chip | packaging peanut
styrofoam cup = foam cup | styrofoam coffee cup
styrofoam plate = foam plate
styrofoam egg carton = foam egg carton
styrofoam take out container = foam takeout container | foam take out container | styrofoam takeout
    container | styrofoam clamshell container | foam clamshell container | styrofoam clamshell
bubble envelope = bubble mailer | padded envelope | bubble pack envelope | jiffy bag | bubble wrap
    envelope | padded mailer
bubble wrap = bubblewrap | bubble plastic | bubbled plastic packaging
egg carton = egg box | egg tray | egg crate | egg container
paper egg carton = cardboard egg carton | pulp egg carton
milk carton = carton of milk
soup can = can of soup
frying pan = fry pan | frypan | skillet | nonstick pan | non stick pan | teflon pan
pot = saucepan | cooking pot | stockpot | stock pot | sauce pan
cutlery = silverware | flatware | eating utensil
plastic cutlery = plastic utensil | plastic silverware | plastic knife and fork
mug = coffee mug | tea mug | coffee mugs
crockery = chinaware | dinnerware | tableware
tap = faucet
rubber band = elastic band | elastic
scotch tape = sticky tape | sellotape | adhesive tape | packing tape | packaging tape | sticky tape roll
marker = felt pen | felt tip | felt tip pen | highlighter | magic marker | marker pen | marking pen |
    highlighter pen | whiteboard marker
pen = biro | ballpoint | ballpoint pen
wristwatch = watch | wrist watch | smartwatch | smart watch
eyeglass = spectacle frame | eye glass | spectacle | eyewear | eyeware | specs
sunglass = sun glass | shades
jewelry = costume jewelry
medicine = medication | drug | pharmaceutical | prescription | pill | prescription drug | prescription
    medicine | over the counter | med | meds | prescription pill | expired medicine | medicament
pill bottle = medicine bottle | prescription bottle | medication vial | prescription drug container |
    pill container | medicine container | medication bottle
syringe = hypodermic | hypodermic needle | insulin needle | sharps | medical needle | insulin
    syringe | needle and syringe | lancet
gas = gasoline | petrol | petroleum
gas can = gasoline can | petrol can | jerry can | fuel can | gas container | petrol canister
motor oil = engine oil | car oil | used motor oil
cooking oil = vegetable oil | frying oil | deep fryer oil | olive oil | canola oil | sunflower oil |
    fryer oil | cooking grease | frying fat | chip fat
antifreeze = anti freeze | coolant | vehicle engine antifreeze | engine coolant | vehicle engine coolant
nail polish = nail varnish | nail enamel
nail polish remover = nail varnish remover | acetone
paint thinner = thinner | white spirit | lacquer thinner | mineral spirit
weed killer = weedkiller | weed spray | herbicide | round up | roundup
insecticide = bug killer | ant killer | wasp spray | fly spray | roach spray | bug bomb | ant poison
insect repellent = mosquito repellent | bug repellent | bug spray | mosquito spray
rat poison = mouse poison | rodent poison | rodenticide
propane tank = propane cylinder | propane bottle | bbq tank | bbq gas bottle | gas bottle | gas cylinder
    | bbq propane cylinder | bbq propane tank | lpg tank | lpg cylinder | propane gas tank | gas tank for
    bbq | propane | bbq gas tank
gas canister = camping gas | camping gas canister | butane canister | gas cartridge | small gas canister
    | cassette cylinder | butane cartridge | camping stove gas cartridge | camping gas cartridge |
    isobutane canister | butane gas canister | propane canister | camping gas cylinder | camping stove
    gas canister | cassette gas | butane can | camp stove fuel canister | green propane bottle | butane
    gas tank
firework = firecracker | fire cracker | pyrotechnics | sparkler
smoke detector = smoke alarm | fire alarm | smoke detector alarm
carbon monoxide detector = carbon monoxide alarm | co detector | co alarm
bbq = grill | bbq grill | charcoal grill | gas grill
ash = fireplace ash | bbq ash | charcoal ash | wood ash | fire ash | ash fireplace and briquette
cigarette butt = cigarette end | cigarette stub | fag end | fag butt | cig butt | cigarette filter
lighter = cigarette lighter | disposable lighter | gas lighter | pocket lighter
spray can = aerosol can | aerosol | aerosol spray can | spray tin | aerosol spray | aerosol container
hairspray can = hair spray can | hairspray | hair spray
ammunition = ammo | bullet | shotgun shell | cartridge shell | bullet shell | shotgun cartridge | live
    round | rifle round
gun = firearm | handgun | hand gun | pistol | rifle | shotgun | revolver
bed frame = metal bed frame | bedframe
lawn mower = lawnmower | grass mower
weed whacker = string trimmer | strimmer
yard waste = garden waste | green waste | yard trimming | garden trimming | yardwaste
christmas tree = christmas trees
lumber = timber | board | plank | lumber and board | wood plank | wood board
sawdust = saw dust
drywall = plasterboard | gyprock | gyp rock | gypsum board | sheetrock
window glass = glass pane | pane of glass | window pane | windowpane | glass sheet
picture frame = photo frame
photo = photograph | snapshot | photo print
dvd = dvd disc | blu ray disc | bluray
cd = compact disc | cd rom
vhs tape = video tape | video cassette | vhs | videotape | vhs cassette
cassette tape = audio tape | audio cassette | music cassette
floppy disk = floppy disc | floppy | diskette
extension cord = extension cable | extension lead
power strip = power bar | electrical power bar | surge protector
electrical cord = power cord | electrical cable | cord | power cable
backpack = rucksack | book bag | school bag | knapsack
handbag = hand bag | purse
suitcase = luggage | baggage
rug = area rug
trash can = garbage can | waste bin | dustbin | wastebasket
hose = garden hose | water hose
razor = disposable razor | razor blade | shaving razor | shaver
toothpaste tube = toothpaste
chewing gum = gum
food container = tupperware | plastic food container | food storage container
juice box = drinks carton | drink box | juice carton box
tetra pak = tetra pak container | tetra pack | tetrapak | tetrapack | aseptic tetra pak | aseptic
    container
straw = drinking straw | plastic straw
disposable glove = latex glove | latex rubber glove | nitrile glove | rubber glove | plastic glove
disposable mask = face mask | surgical mask | medical mask
battery charger = charger for battery
headphone = earphone | earbud | headset | ear bud | airpod
rag = dust cloth | cleaning rag | cleaning cloth
scouring pad = steel wool pad | scrubber | pot scrubber | scouring brush
dryer sheet = fabric softener sheet
dryer lint = lint
hot water bottle = hot bottle
blinds = window blind | venetian blind | blind | roller blind
curtain = drape
christmas ornament = christmas tree ornament | bauble | christmas bauble
pencil crayon = colored pencil
crayon = wax crayon
plastic tub = plastic food tub | margarine tub | butter tub | yogurt tub | yogurt pot | yogurt container
    | margarine container | cottage cheese tub | sour cream tub | ice cream tub | plastic pot of yogurt |
    butter container | margarine pot | hummus tub | hummus container | spread tub
yogurt cup = yogurt cups | single serve yogurt cup
coffee maker = cafetiere | french press | coffee press | moka pot | percolator | coffee percolator
bathrobe = dressing gown | house coat | housecoat
sunscreen = sun cream | suncream | sun block | sunblock | sun lotion | suntan lotion | sun tan cream
cologne = aftershave | after shave | eau de cologne | aftershave lotion
thermos = thermos flask | vacuum flask | thermos bottle | thermal flask | insulated flask
rubber boot = rain boot | wellington boot | gumboot | gum boot | wellington | welly | wellies | wellie
transmission fluid = transmission oil | gearbox oil | gear box oil
washer fluid = windscreen wash | windshield wash | screen wash | screenwash | windscreen washer fluid |
    windshield fluid | windshield washer fluid | wiper fluid
garden hose = hose pipe | hosepipe
curtain rod = curtain rail | curtain pole
hand cream = hand lotion
range hood = cooker hood | extractor hood | stove hood | kitchen hood | exhaust hood
snow blower = snow thrower | snowthrower | snowblower
rototiller = rotavator | rotary tiller | rotovator | garden tiller
garbage bag = bin bag | bin liner | trash bag | rubbish bag | refuse sack | bin sack | trash liner
zucchini = courgette
eggplant = aubergine
rubber glove = washing up glove | dish glove | dishwashing glove | marigold | rubber cleaning glove |
    kitchen glove
pacifier = dummy | soother
stool = footstool | foot stool | step stool | bar stool | pouffe
countertop = counter top | worktop | kitchen worktop | work top
walking aid = zimmer frame | zimmer | walking frame | walker frame | rollator | crutch
cutting board = chopping board | bread board
ketchup = tomato ketchup | catsup | tomato catsup
cereal box = cereal packet | cornflake packet | cornflakes box
takeaway menu = menu | restaurant menu
"""

SYNONYMS = {
    tuple(other.split()): tuple(name.split())
    for name, _, others in (row.partition("= ") for row in rows(_ROWS))
    for other in others.split(" | ")
}
"""Words of another name in normal form, with the words of the name that stands for it."""
