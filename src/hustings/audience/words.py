"""The method and its error in words, for whoever reads audience.json or a page made of it."""

from __future__ import annotations

from typing import Final

from hustings.audience.countries import AT_LEAST

TEXT: Final = {
    "en": (
        "A listener counts when 60 seconds of sound were really delivered to him within 90: sent, and "
        "taken by his connection. He counts from his first second on. Loading a page, or connecting "
        "without listening, counts for nothing. Concurrent figures are taken every 5 seconds at all "
        "servers alike and added up. Unique are different pairs of address and browser, without "
        "cookies: several people behind one line with the same browser are one, one person with two "
        "browsers is two. They are estimated, with an error below 2 percent in 98 of 100 cases; what "
        "was counted cannot be traced back to anybody. Known programs and data centres (bots) and what "
        "players behind a cache say of themselves (beacon) stand apart and are in no other figure. "
        "Figures of a minute are final 105 seconds after it."
    ),
    "de": (
        "Gezählt wird, wem innerhalb von 90 Sekunden 60 Sekunden Ton wirklich geliefert wurden: "
        "gesendet und von der Verbindung abgenommen. Dann zählt er ab seiner ersten Sekunde. Eine Seite "
        "zu laden oder sich zu verbinden, ohne zu hören, zählt nicht. Gleichzeitige werden alle 5 "
        "Sekunden auf allen Servern im selben Moment gezählt und addiert. Verschiedene sind "
        "verschiedene Paare aus Adresse und Browser, ohne Cookies: Mehrere mit gleichem Browser hinter "
        "einem Anschluss sind einer, einer mit zwei Browsern ist zwei. Sie werden geschätzt, in 98 von "
        "100 Fällen auf 2 Prozent genau; niemand ist darin wiederzufinden. Bekannte Programme und "
        "Rechenzentren (bots) und was Player hinter einem Cache selbst melden (beacon), stehen getrennt "
        "und in keiner anderen Zahl. Eine Minute ist nach 105 Sekunden endgültig."
    ),
}

COUNTRIES: Final = {
    "en": (
        "Countries are those a database, given by who runs this server, names for the listeners' addresses; "
        "each is looked up once, when listening begins, and not kept. A country is named for a minute in "
        f"which at least {AT_LEAST} listened from there; all others of that minute are together (other). "
        "Addresses the database does not know stand apart (unknown). It cannot see where people are: who "
        "uses a VPN, a proxy or a mobile network of another country is where that has its addresses, and the "
        "database errs and grows old."
    ),
    "de": (
        "Länder nennt eine Datenbank des Betreibers zu den Adressen der Zuhörer; nachgesehen wird einmal, "
        "wenn das Hören beginnt, und die Adresse wird nicht aufgehoben. Genannt wird ein Land für eine "
        f"Minute, in der mindestens {AT_LEAST} von dort hörten; alle anderen dieser Minute stehen zusammen "
        "(other). Adressen, die die Datenbank nicht kennt, stehen für sich (unknown). Wo jemand wirklich "
        "ist, ist daraus nicht zu sehen: Wer ein VPN, einen Proxy oder das Mobilfunknetz eines anderen "
        "Landes benutzt, zählt dort, wo dessen Adressen sind, und die Datenbank irrt und veraltet."
    ),
}
"""Added where countries are counted."""
