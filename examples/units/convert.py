import sys

import sympy.physics.units as u
from sympy import N

names = {
    "km": u.kilometer, "m": u.meter, "mi": u.mile, "ft": u.foot,
    "kg": u.kilogram, "g": u.gram, "lb": u.pound,
    "h": u.hour, "min": u.minute, "s": u.second,
}


def unit(text):
    """km, or a quotient like km/h."""
    above, _, below = text.partition("/")
    return names[above] / names[below] if below else names[above]


value, source, target = float(sys.argv[1]), sys.argv[2], sys.argv[3]
converted = u.convert_to(value * unit(source), [names[name] for name in target.split("/")])
print(f"{value:g} {source} = {float(N(converted / unit(target))):.4f} {target}")
