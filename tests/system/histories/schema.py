"""A random schema: tables, their columns, and the links between them."""

from dataclasses import dataclass, field

from histories.domains import DOMAINS, FAMILIES, REFERENCES

KINDS = ["a", "b", "c"]


@dataclass
class Column:
    name: str
    type: str
    literal: object             # literal(rng): SQL for some value
    domain: object = None       # of keys
    nullable: bool = True
    fixed: bool = False         # no UPDATE changes it

    @property
    def sql(self):
        return f'"{self.name}"'


@dataclass
class Link:
    """Rows of child belong to the rows of parent with equal columns."""
    child: object
    child_columns: list
    parent: object
    parent_columns: list
    constraint: str = ""        # "" if there is no foreign key

    @property
    def is_fixed(self):
        return all(column.fixed for column in self.child_columns)


@dataclass
class Table:
    name: str
    key: list
    columns: list               # the key's first
    links: list = field(default_factory=list)
    partitions: list = field(default_factory=list)

    @property
    def sql(self):
        return f'"{self.name}"'

    @property
    def has_code(self):
        return any(column.name == "code" for column in self.columns)

    def column(self, name):
        return next(c for c in self.columns if c.name == name)

    def shown(self):
        """What a cached value may show of a row."""
        return [c for c in self.columns if c.name != "noise"]


def key_column(rng, name, domain, **more):
    return Column(name, domain.type, domain.literal, domain, **more)


def some(values, null=0.2):
    return lambda rng: "NULL" if rng.random() < null else rng.choice(values)


def payload():
    return [
        Column("a", "text", some(["'x'", "'y'", "'X'", "'it''s'", "''"])),
        Column("b", "numeric", some(["1", "1.0", "2.50", "2.5", "-3"])),
        Column("c", "json", some(["'{\"n\": 1}'", "'{\"n\":1}'", "'[]'"])),
        Column("kind", "text", some([f"'{kind}'" for kind in KINDS])),
        Column("flag", "boolean", some(["true", "false"])),
        Column("Odd One", "citext", some(["'odd'", "'Odd'", "'even'"])),
        Column("noise", "integer", lambda rng: str(rng.randrange(100))),
    ]


class Schema:
    """3 to 8 tables. Names begin with the prefix, as many schemas come after
    one another in one database. family: the domains of all keys."""

    def __init__(self, rng, prefix, family=None):
        self.rng = rng
        self.tables = []
        self.links = []
        # Columns of no foreign key are matched between tables by value.
        self.code_domains = family or rng.choice(FAMILIES)
        self.key_domains = family or list(DOMAINS)
        for n in range(rng.randint(3, 8)):
            self.add_table(f"{prefix}_t{n}" if rng.random() < 0.8
                           else f"{prefix} T'{n}")
        self.add_code_links()

    def add_table(self, name):
        rng = self.rng
        domains = [DOMAINS[rng.choice(self.key_domains)]]
        if rng.random() < 0.25:
            domains.append(DOMAINS[rng.choice(["int4", "text", "citext"])])
        key = [key_column(rng, f"id{n or ''}", domain, nullable=False)
               for n, domain in enumerate(domains)]
        table = Table(name, key, key + payload())
        if rng.random() < 0.6:
            code = DOMAINS[rng.choice(self.code_domains)]
            table.columns.append(key_column(rng, "code", code))
        self.tables.append(table)
        self.add_references(table)
        if rng.random() < 0.15 and key[0].domain.in_partition:
            table.partitions = [f"{name}_p{n}" for n in range(2)]

    def add_references(self, table):
        rng = self.rng
        for n in range(rng.choice([0, 1, 1, 2, 2, 3])):
            parent = rng.choice(self.tables)
            if n > 0 and table.links and rng.random() < 0.3:
                parent = table.links[-1].parent     # two ways to one table
            self.add_reference(table, parent, f"ref{n}")
        if rng.random() < 0.3 and len(table.key) == 1:
            self.add_reference(table, table, "parent")

    def add_reference(self, table, parent, name):
        rng = self.rng
        fixed = rng.random() < 0.2
        nullable = parent is table or rng.random() < 0.7
        columns = []
        for n, key in enumerate(parent.key):
            domain = key.domain
            others = [name for name, targets in REFERENCES.items()
                      if domain.name in targets]
            if others and rng.random() < 0.4:
                domain = DOMAINS[rng.choice(others)]
            columns.append(key_column(rng, f"{name}{n or ''}", domain,
                                      nullable=nullable, fixed=fixed))
        table.columns += columns
        link = Link(table, columns, parent, parent.key)
        if rng.random() < 0.8:
            link.constraint = self.constraint(fixed, nullable)
        table.links.append(link)
        self.links.append(link)

    def constraint(self, fixed, nullable):
        rng = self.rng
        on_delete = ["CASCADE", "CASCADE", "NO ACTION"]
        if nullable and not fixed:
            on_delete += ["SET NULL", "SET NULL"]
        on_update = "NO ACTION" if fixed else rng.choice(
            ["CASCADE", "CASCADE", "NO ACTION"])
        return (f"ON DELETE {rng.choice(on_delete)} ON UPDATE {on_update}"
                + rng.choice(["", " DEFERRABLE INITIALLY DEFERRED"]))

    def add_code_links(self):
        coded = [table for table in self.tables if table.has_code]
        for child in coded:
            for parent in coded:
                if child is not parent:
                    self.links.append(Link(child, [child.column("code")],
                                           parent, [parent.column("code")]))

    def ddl(self):
        return "".join(self.create(table) for table in self.tables)

    @staticmethod
    def create(table):
        parts = [f"{c.sql} {c.type}{'' if c.nullable else ' NOT NULL'}"
                 for c in table.columns]
        parts.append(f"PRIMARY KEY ({names(table.key)})")
        parts += [f"FOREIGN KEY ({names(link.child_columns)}) REFERENCES"
                  f" {link.parent.sql} ({names(link.parent_columns)})"
                  f" {link.constraint}"
                  for link in table.links if link.constraint]
        by = f" PARTITION BY HASH ({table.key[0].sql})" \
            if table.partitions else ""
        return f"CREATE TABLE {table.sql} ({', '.join(parts)}){by};" + "".join(
            f'CREATE TABLE "{name}" PARTITION OF {table.sql}'
            f" FOR VALUES WITH (MODULUS 2, REMAINDER {n});"
            for n, name in enumerate(table.partitions))

    def drop(self):
        return "".join(f"DROP TABLE {table.sql} CASCADE;"
                       for table in self.tables)


def names(columns):
    return ", ".join(column.sql for column in columns)
