"""Cautions: no hazardous item without one, and no false one on harmless items.

The words were written for this test, not taken from the tables.
"""

from __future__ import annotations

import pytest

from releaf.hazards import ADVICE, advice_on, hazard_of

HAZARDOUS = """
battery; batteries; AA batteries; AAA battery; 9V battery; car battery; truck batteries; e-bike battery;
ebike batteries; lithium-ion powerbank; power bank; powerbanks; button cells; coin cell; laptop battery;
phone battery; drone battery; cordless drill battery pack; hearing aid batteries; UPS battery; LiPo pack;
Li-ion cells; nickel-cadmium battery; NiMH rechargeables battery; Duracell; Energizer AAA; hoverboard;
electric scooter battery; battery-operated toy; battery powered toothbrush; toy with batteries;
autobattery; lead-acid battery; CR2032; watch battery; box of batteries; swollen phone battery; leaking
battery; light bulb; lightbulbs; CFL; CFL bulbs; compact fluorescent lamp; fluorescent tubes; flourescent
light; energy-saving bulb; neon tube; UV lamp; burnt-out bulb; vape; vapes; disposable vapes; vape pen;
e-cigarette; electronic cigarettes; e-cig; Elf Bar; Juul; nicotine cartridges; vape juice; propane tank;
propane cylinders; butane canister; camping gas; gas cartridge; gas bottle; gas cylinder; BBQ gas tank;
helium tank; CO2 cartridge; oxygen bottle; nitrous oxide canister; gasoline; petrol; old petrol can;
jerry can of diesel; kerosene; lighter fluid; lighters; Bic lighter; Zippo; aerosol; aerosol cans; spray
can; spray paint; hairspray; fire extinguisher; lamp oil; camp stove fuel; white gas; scuba tank; gun;
hand gun; rifle; hunting rifle; pistols; shotgun; ammunition; ammo; bullets; shotgun shells; hand
grenade; dynamite; gunpowder; fireworks; firecrackers; sparklers; flares; road flare; taser; stun gun;
pepper spray; bear spray; explosives; bomb; medicine; medicines; old pills; expired medication;
antibiotics; painkillers; Tylenol; Advil; ibuprofen; paracetamol tablets; aspirin; morphine; insulin;
insulin pens; syringes; hypodermic needles; needles; lancets; sharps; EpiPen; inhaler; Ventolin puffer;
cough syrup; eye drops; birth control pills; chemo drugs; Viagra; prescription drugs; chemicals; pool
chemicals; bleach; Clorox; acid; battery acid; hydrochloric acid; ammonia; drain cleaner; Drano; oven
cleaner; toilet cleaner; pesticide; pesticides; insecticide; herbicide; weedkiller; weed killer; Roundup;
rat poison; slug pellets; mothballs; bug spray; Raid; paint; old paint; paint tins; latex paint;
oil-based paint; paint thinner; paint stripper; turpentine; white spirit; solvents; acetone; varnish;
wood stain; lacquer; nail polish; nail varnish remover; antifreeze; brake fluid; motor oil; engine oil;
oil filter; mercury; mercury thermometer; thermometer; asbestos; asbestos tiles; lead paint; super glue;
epoxy; fertilizer; hydrogen peroxide; rubbing alcohol; hand sanitizer; pool chlorine; photo chemicals;
radioactive material; WD-40; formaldehyde; cyanide; arsenic; transmission fluid; windshield washer fluid;
caustic soda; degreaser
"""
HARMLESS = """
battery-free toy; gas bill; light bulb box; battery packaging; bulb box; flower bulbs; tulip bulb; garlic
bulb; paint brush; paintbrushes; paint roller; paint tray; paint chips; water gun; toy gun; nerf gun;
glue gun; staple gun; bath bomb; bullet journal; medicine cabinet; medicine ball; pill organizer; pillow;
pine needles; knitting needles; sewing needle; poison ivy; lead pencil; pencil lead; dog lead; lead-free
solder; acid-free paper; alcohol-free beer can; mercury-free tape; gas station receipt; gas stove; gas
mask; gas grill; helium balloon; banana peel; pizza box; wine bottle; beer can; newspaper; cardboard box;
glass jar; plastic bottle; yoghurt pot; diaper; toothbrush; mattress; sofa; bicycle; umbrella; jeans;
shoes; teddy bear; lego; book; magazine; cereal box; milk carton; egg carton; tea bag; coffee grounds;
coffee cup; napkin; paper towel; tissue; grass; leaves; branches; Christmas tree; tire; window; mirror
frame; picture frame; plate; mug; knife; fork; spoon; frying pan; kettle; toaster; fridge; washing
machine; computer mouse; keyboard; cable; headphones; CD; DVD; tape; rope; candle; chewing gum; cork;
aluminum foil; tin can; bottle cap; straw; plastic bag; bubble wrap; styrofoam; wrapping paper; greeting
card; envelope; stamp; ruler; eraser; pen; crayon; backpack; suitcase; curtain; pillowcase; towel;
carpet; rug; chair; table; shelf; lamp shade; floor lamp; vacuum cleaner bag; dust; hair; nail clippings;
cotton swab; bandage; razor; condom; tampon; dog poop; cat litter; bird cage; aquarium; flower pot; rake;
shovel; hose; brick; sand; stone; lumber; bone; bread; cheese; meat; fish; rice; pasta; apple core;
orange peel; potato; lettuce; batter mix; pancake batter; non-toxic crayons; unbleached coffee filter;
drawing of a gun; poster of fireworks; chemistry book
"""
PHRASINGS = (
    "{}",
    "{}?",
    "Where do I throw {}",
    "which bin for my old {}",
    "what should I do with {} please",
    "I found some {} in the garage, which bin?",
    "a pizza box and {}",
    "{}, newspapers and an apple core",
)


def listed(text: str) -> list[str]:
    return [" ".join(item.split()) for item in text.split(";") if item.strip()]


def test_the_lists_are_large() -> None:
    assert len(listed(HAZARDOUS)) >= 150
    assert len(listed(HARMLESS)) >= 150


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_no_hazardous_item_is_missed(phrasing: str) -> None:
    missed = [item for item in listed(HAZARDOUS) if hazard_of(phrasing.format(item)) is None]
    assert missed == []
    upper = [item for item in listed(HAZARDOUS) if hazard_of(phrasing.format(item).upper()) is None]
    assert upper == []


@pytest.mark.parametrize("phrasing", ("{}", "{}?", "my old {}", "two {}"))
def test_few_harmless_items_are_suspected(phrasing: str) -> None:
    suspected = [item for item in listed(HARMLESS) if hazard_of(phrasing.format(item)) is not None]
    assert suspected == []


def test_each_hazard_has_advice_in_one_sentence() -> None:
    for hazard in ADVICE:
        assert advice_on(hazard)[0].isupper()
        assert advice_on(hazard).count(".") == 1
