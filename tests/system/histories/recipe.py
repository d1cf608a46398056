"""What cached values are made of, and the graph that follows from it.

A value is a JSON of some columns of its row and, for each include, of the rows
that match: some of their columns ("columns"), or all that their own values
show ("whole"). A tree shows all rows above or below. The relations are derived
from just that, with options that leave nothing out:

transitive: false   if nothing shows what the reached model shows of others
changed             the columns that are shown
where               the condition under which rows are shown
ops                 if only the number of rows is shown, and the match is fixed
ignore              a column that nothing shows
"""

from dataclasses import dataclass, field

from histories.schema import KINDS

MAX_DEPTH = 3

# Equal jsonb may be spelled differently: 2.5 and 2.50.
LIST = "jsonb_agg(v ORDER BY v::text COLLATE \"C\")"


@dataclass
class Include:
    """Rows of model are shown where any of the alternatives matches: pairs of
    (column of the shown row, column of the row that shows)."""
    model: object
    alternatives: list
    columns: list = None        # None: all that the model itself shows
    where: dict = field(default_factory=dict)   # only rows that hold these
    count: bool = False         # only how many there are
    tree: str = ""              # "up" or "down"


@dataclass
class Model:
    name: str
    table: object
    columns: list               # shown
    includes: list = field(default_factory=list)
    rules: list = field(default_factory=list)
    ignore: bool = False
    depth: int = 0


@dataclass
class Rule:
    """A template with the SQL that gives its keys and values."""
    template: str
    values: str
    options: dict = field(default_factory=dict)


@dataclass
class Relation:
    text: str
    options: dict
    needed: bool = True


def quoted(name):
    return name if name.isidentifier() else f'"{name}"'


def side(model, columns):
    spelled = [quoted(column.name) for column in columns]
    inner = spelled[0] if len(spelled) == 1 else f"({', '.join(spelled)})"
    return f"{model.name}.{inner}"


def text_of(alias, column):
    """The text of a value as docs/values.md has it."""
    return f"(to_jsonb({alias}.{column.sql}) #>> '{{}}')"


class Recipe:
    def __init__(self, rng, schema):
        self.rng = rng
        self.n_aliases = 0
        self.models = []
        for n, table in enumerate(schema.tables):
            for twin in range(2 if rng.random() < 0.2 else 1):
                self.add_model(f"m{n}{'abc'[twin]}", table)
        rng.shuffle(self.models)
        for n, model in enumerate(self.models):
            self.add_includes(model, self.models[:n], schema.links)
        for model in self.models:
            self.add_rules(model)
        self.relations = self.derive()
        self.add_extras(schema)

    def some_columns(self, table, at_least=0):
        shown = table.shown()
        n = self.rng.randint(at_least, min(4, len(shown)))
        return self.rng.sample(shown, n)

    def some_where(self):
        """Columns and texts; of numeric and citext, too, it is the text that
        is compared."""
        rng = self.rng
        return dict(rng.choice([
            [("kind", rng.sample(KINDS, rng.randint(1, 2)))],
            [("kind", rng.sample(KINDS, 2)), ("flag", ["true"])],
            [("b", ["2.50", "1"])],
            [("Odd One", ["odd", "even"])]]))

    def add_model(self, name, table):
        self.models.append(Model(
            name, table, self.some_columns(table, 1),
            ignore=self.rng.random() < 0.3))

    # Includes.

    def add_includes(self, model, before, links):
        rng = self.rng
        candidates = []
        for link in links:
            for other in before + [model]:
                down = list(zip(link.child_columns, link.parent_columns))
                up = [(p, c) for c, p in down]
                if link.parent is model.table and link.child is other.table:
                    candidates.append((other, link, down))
                if link.child is model.table and link.parent is other.table:
                    candidates.append((other, link, up))
        rng.shuffle(candidates)
        trees = [c for c in candidates if c[0] is model and len(c[2]) == 1]
        if trees and rng.random() < 0.7:
            self.add_tree(model, trees[0])
        wanted = rng.randint(1, 3)
        for other, link, pairs in candidates:
            if len(model.includes) >= wanted:
                break
            if other is not model or not any(i.tree for i in model.includes):
                self.add_include(model, other, link, pairs, candidates)

    def add_include(self, model, other, link, pairs, candidates):
        rng = self.rng
        if any(pairs in include.alternatives and include.model is other
               for include in model.includes):
            return
        include = Include(other, [pairs])
        twins = [p for o, twin, p in candidates
                 if o is other and twin is not link and p not in
                 [a for i in model.includes for a in i.alternatives]
                 and twin.parent is link.parent and twin.child is link.child]
        if twins and rng.random() < 0.7:
            include.alternatives.append(twins[0])
        if other is model or other.depth >= MAX_DEPTH or rng.random() < 0.4:
            include.columns = self.some_columns(other.table)
            include.count = rng.random() < 0.3
            if include.count:
                include.columns = []
        if rng.random() < 0.3:
            include.where = self.some_where()
        if include.columns is None:
            model.depth = max(model.depth, other.depth + 1)
        model.includes.append(include)

    def add_tree(self, model, candidate):
        _, link, _ = candidate
        child, parent = link.child_columns[0], link.parent_columns[0]
        direction = self.rng.choice(["up", "down"])
        pair = (parent, child) if direction == "up" else (child, parent)
        include = Include(model, [[pair]], tree=direction)
        if self.rng.random() < 0.5:
            include.columns = self.some_columns(model.table, 1)
        model.includes.append(include)

    # Values.

    def alias(self):
        self.n_aliases += 1
        return f"r{self.n_aliases}"

    def show(self, model, alias, columns=None, with_trees=True):
        """SQL for what is shown of a row: a jsonb."""
        parts = [f"to_jsonb({alias}.{c.sql})"
                 for c in (model.columns if columns is None else columns)]
        if columns is None:
            parts += [self.show_include(include, alias)
                      for include in model.includes
                      if with_trees or not include.tree]
        return f"jsonb_build_array({', '.join(parts)})"

    def show_include(self, include, alias):
        if include.tree:
            return self.show_tree(include, alias)
        row = self.alias()
        match = " OR ".join(
            "(" + " AND ".join(f"{row}.{theirs.sql} = {alias}.{ours.sql}"
                               for theirs, ours in pairs) + ")"
            for pairs in include.alternatives)
        if include.where:
            match = f"({match}) AND {holds(row, include.where)}"
        source = f"FROM {include.model.table.sql} AS {row} WHERE {match}"
        if include.count:
            return f"(SELECT to_jsonb(count(*)) {source})"
        shown = self.show(include.model, row, include.columns)
        return (f"(SELECT {LIST} FROM"
                f" (SELECT {shown} AS v {source}) AS s)")

    def show_tree(self, include, alias):
        """All rows above (or below): those whose key is the parent of the row
        or of one above it."""
        (theirs, ours), = include.alternatives[0]
        row, step, table = self.alias(), self.alias(), include.model.table.sql
        shown = self.show(include.model, row, include.columns,
                          with_trees=False)
        return (f"(WITH RECURSIVE {step}_t(k) AS (SELECT {alias}.{ours.sql}"
                f" UNION SELECT {step}.{ours.sql} FROM {table} AS {step}"
                f" JOIN {step}_t ON {step}.{theirs.sql} = k)"
                f" SELECT {LIST} FROM (SELECT {shown} AS v"
                f" FROM {table} AS {row} WHERE EXISTS (SELECT FROM {step}_t"
                f" WHERE {row}.{theirs.sql} = k)) AS s)")

    # Rules.

    def add_rules(self, model):
        rng = self.rng
        if rng.random() < 0.15 and model is not self.models[-1]:
            return                      # passes on, owns nothing
        if model.table.has_code and rng.random() < 0.5:
            self.add_code_rule(model)
            if rng.random() < 0.3:
                return                  # only lists
        self.add_value_rule(model)
        if rng.random() < 0.3:
            self.add_card_rule(model)
        if rng.random() < 0.3:
            self.add_count_rule(model)

    @staticmethod
    def key(model, tag, columns, filter=""):
        """A template, and SQL that fills it from the row t."""
        wrap = {"": "{}", "lower": 'lower({} COLLATE "C")'}[filter]
        template, sql = f"{model.name}/{tag}", f"'{model.name}/{tag}'"
        for column in columns:
            bar = f"|{filter}" if filter else ""
            template += ":{" + quoted(column.name) + bar + "}"
            sql += " || ':' || " + wrap.format(text_of("t", column))
        return template, sql

    def add_value_rule(self, model):
        rng = self.rng
        template, key = self.key(model, "value", model.table.key)
        where, options = "", {}
        if rng.random() < 0.3:
            options["changed"] = [c.name for c in model.columns]
        if rng.random() < 0.15:
            options["where"] = self.some_where()
            where = f" WHERE {holds('t', options['where'])}"
        model.rules.append(Rule(
            template, f"SELECT {key}, {self.show(model, 't')}::text"
            f" FROM {model.table.sql} AS t{where}", options))

    def add_card_rule(self, model):
        template, key = self.key(model, "card", model.table.key)
        columns = self.some_columns(model.table, 1)
        model.rules.append(Rule(
            template, f"SELECT {key}, {self.show(model, 't', columns)}::text"
            f" FROM {model.table.sql} AS t",
            {"changed": [c.name for c in columns], "own_change_only": True}))

    def add_count_rule(self, model):
        template, key = self.key(model, "count", [])
        model.rules.append(Rule(
            template, f"SELECT {key}, count(*)::text FROM {model.table.sql}",
            {"ops": ["insert", "delete"], "own_change_only": True}))

    def add_code_rule(self, model):
        template, key = self.key(model, "code", [model.table.column("code")],
                                 self.rng.choice(["", "lower"]))
        model.rules.append(Rule(
            template, f"SELECT {key}, {LIST}::text FROM"
            f" (SELECT t.*, {self.show(model, 't')} AS v"
            f" FROM {model.table.sql} AS t WHERE t.code IS NOT NULL) AS t"
            f" GROUP BY 1"))

    # The graph.

    def is_shown_whole(self, model):
        """Whether anything shows what this model's values show of others."""
        return any(include.columns is None and include.model is model
                   for other in self.models for include in other.includes)

    def derive(self):
        found = []
        for model in self.models:
            passes = self.is_shown_whole(model)
            for include in model.includes:
                for pairs in include.alternatives:
                    found.append(self.relation(model, include, pairs, passes))
        self.rng.shuffle(found)
        return found

    def relation(self, model, include, pairs, passes):
        rng = self.rng
        text = (f"{side(include.model, [theirs for theirs, _ in pairs])} -> "
                f"{side(model, [ours for _, ours in pairs])}")
        options = {}
        if not passes and not include.tree and rng.random() < 0.8:
            options["transitive"] = False
        if include.where:
            options["where"] = include.where
        shown = include.model.columns if include.columns is None \
            else include.columns
        if include.count and not include.where and rng.random() < 0.8 \
                and all(theirs.fixed for theirs, _ in pairs):
            options["ops"] = ["insert", "delete"]
        elif rng.random() < 0.5:
            options["changed"] = [c.name for c in shown]
        return Relation(text, options)

    def add_extras(self, schema):
        """Relations that are not needed, and such as are switched off."""
        rng = self.rng
        if schema.links and rng.random() < 0.3:
            link = rng.choice(schema.links)
            ends = [next(m for m in self.models if m.table is table)
                    for table in (link.child, link.parent)]
            text = (f"{side(ends[0], link.child_columns)} -> "
                    f"{side(ends[1], link.parent_columns)}")
            if text not in [relation.text for relation in self.relations]:
                self.relations.append(Relation(text, {}, needed=False))
        if rng.random() < 0.3:
            name = self.models[0].name
            self.relations.append(Relation(
                f"{name}.missing -> {name}.absent", {"enabled": False},
                needed=False))

    def graph(self):
        """graph.yaml."""
        lines = ["models:"]
        for model in self.models:
            lines += [f"  {model.name}:",
                      f"    table: {literal(model.table.sql)}"]
            if model.ignore:
                lines.append("    ignore: [noise]")
            if model.rules:
                lines.append("    invalidate:")
            for rule in model.rules:
                lines.append(f"      - key: {literal(rule.template)}")
                lines += [f"        {option(item)}"
                          for item in rule.options.items()]
        if self.relations:
            lines.append("relations:")
        for relation in self.relations:
            options = ", ".join(map(option, relation.options.items()))
            lines.append(f"  - {literal(relation.text)}: {{ {options} }}")
        return "\n".join(lines) + "\n"

    def values(self):
        """SQL for all keys and values there are."""
        return " UNION ALL ".join(
            f"SELECT * FROM ({rule.values}) AS v{n} (key, value)"
            " WHERE key IS NOT NULL"
            for n, rule in enumerate(rule for model in self.models
                                     for rule in model.rules))


def holds(alias, where):
    """SQL for a where."""
    return " AND ".join(
        f"({alias}.\"{name}\"::text IN ({literals(texts)}))"
        for name, texts in where.items())


def literals(words):
    return ", ".join(f"'{word}'" for word in words)


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def option(item):
    """name: value, in YAML's flow style."""
    name, value = item
    return f"{literal(name)}: {flow(value)}"


def flow(value):
    if isinstance(value, dict):
        inner = ", ".join(map(option, value.items()))
        return f"{{ {inner} }}"
    if isinstance(value, list):
        return f"[{', '.join(literal(text) for text in value)}]"
    return str(value).lower()
