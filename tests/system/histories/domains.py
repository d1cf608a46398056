"""Types of keys, above all those in which equal values have several texts."""

import uuid
from dataclasses import dataclass
from typing import Callable

N_VALUES = 10       # few, so that values meet


@dataclass(frozen=True)
class Domain:
    """A type. text(rng, n) spells its nth value; respell(rng, sql) is SQL for
    an equal value, spelled in some way."""
    name: str
    type: str
    text: Callable
    respell: Callable = lambda rng, sql: sql
    in_partition: bool = False      # may be what rows are distributed by

    def literal(self, rng, n=None):
        """SQL for one of the values."""
        n = rng.randrange(N_VALUES) if n is None else n
        return f"'{self.text(rng, n)}'::{self.type.split(' COLLATE')[0]}"


def plain_number(rng, n):
    return str(n + 1)


def scaled_number(rng, n):
    if n % 2:
        return f"{n // 2}.5{rng.choice(['', '0', '00'])}"
    return f"{n // 2}{rng.choice(['', '.0', '.00', '.000'])}"


def rescale(rng, sql):
    return rng.choice([f"trim_scale({sql})", f"round({sql}, 3)", sql])


def mixed_case(rng, n):
    word = "key" + "abcdefghij"[n]
    return rng.choice([word, word.upper(), word.title()])


def change_case(rng, sql):
    return f"{rng.choice(['upper', 'lower', 'initcap'])}({sql}::text)"


def interval(rng, n):
    return rng.choice([f"{n} days", f"{24 * n} hours"])


# What a pattern, a template, JSON or Redis could take for something else.
WORDS = ["key", "k*y", "[k]", "{k}", "k?", "a:b", '"k"', "ключ", "", " "]


def word(rng, n):
    return WORDS[n]


def long_word(rng, n):
    """One of them is too long to be captured."""
    return f"word {n}" * (200 if n == 0 else 1)


def moment(rng, n):
    """The same moment from two time zones."""
    return rng.choice([f"2024-02-03 {n + 10}:30:00+00",
                       f"2024-02-03 {n + 12}:30:00+02"])


def binary_float(rng, n):
    if n == 0:
        return rng.choice(["0", "-0"])
    return rng.choice([f"{n}e2", f"{n}00.0"]) if n % 2 else f"0.{n}"


DOMAINS = {domain.name: domain for domain in (
    Domain("int4", "integer", plain_number, in_partition=True),
    Domain("int8", "bigint", plain_number, in_partition=True),
    Domain("text", "text", word, in_partition=True),
    Domain("varchar", "varchar(20)", word),
    Domain("long", "text", long_word),
    Domain("timestamptz", "timestamptz", moment),
    Domain("float8", "double precision", binary_float),
    Domain("uuid", "uuid", lambda rng, n: str(uuid.UUID(int=n + 1)),
           in_partition=True),
    Domain("date", "date", lambda rng, n: f"2024-02-{n + 20}"),
    Domain("numeric", "numeric", scaled_number, rescale),
    Domain("numeric2", "numeric(8,2)", scaled_number, rescale),
    Domain("citext", "citext", mixed_case, change_case),
    Domain("ci", "text COLLATE ci", mixed_case, change_case),
    Domain("char6", "char(6)", lambda rng, n: f"k{n}"),
    Domain("char9", "char(9)", lambda rng, n: f"k{n}"),
    Domain("interval", "interval", interval),
)}

# What a foreign key of the first may refer to beside its like.
REFERENCES = {"int4": ["int8", "numeric", "numeric2"], "int8": ["int4"],
              "numeric": ["numeric2"], "numeric2": ["numeric"],
              "varchar": ["text"], "text": ["varchar"],
              "char6": ["char9"], "char9": ["char6"]}

# Types whose values can be compared.
FAMILIES = [["numeric", "numeric2"], ["int4", "int8", "numeric"],
            ["text", "varchar"], ["citext"], ["ci"], ["char6", "char9"],
            ["interval"], ["float8"], ["long"], ["timestamptz"]]
