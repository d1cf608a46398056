"""graph.yaml for the installed models: what `manage.py pgripple_graph` prints.

Relations are comments, because which of them count is a question about the
application: where does a row show? One kind counts at once: a row of a parent
table is part of its child's objects. A comment begins with "#" in the first
column, so that one keystroke makes it count.
"""

import json
import re

from django.apps import apps
from django.db import connections

from .conf import graph_name, setting

HEAD = """\
# What pgripple invalidates when rows change, by `manage.py pgripple_graph`.
# It belongs in the application's repository: after a change of models print
# it again and look at what differs. docs/graph.md tells what it may hold.

models:
"""

RELATIONS = """
# "a.x -> b.y": when a row of a changes, the rows of b whose y equals its x are
# stale, too, and so is what depends on those, unless { transitive: false }.
# Uncomment those that tell where a row shows.
relations:
"""

# Words that mean something else to YAML.
NOT_PLAIN = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


class Unknown(Exception):
    """What the settings do not tell, and somebody must."""


def print_graph(everything=False, prefixes=None):
    """The text. everything: framework tables that nobody caches, too.
    prefixes: what CACHEOPS_PREFIX returns, if it cannot be called."""
    rules = Rules(prefixes)
    models, left_out = choose(rules.profile, everything)
    parts = [HEAD]
    parts += [model_text(model, rules) for model in models]
    if left_out:
        labels = "".join(f"#   {model._meta.label}\n" for model in left_out)
        parts.append("\n# Left out, because nobody caches or joins them"
                     f" (--all prints them):\n{labels}")
    lines = relation_lines(models)
    if lines:
        parts += [RELATIONS, *lines]
    return "".join(parts)


# Models ---------------------------------------------------------------------

def choose(profile, everything):
    """The concrete models that the graph is about, and those left out: of
    Django's own only what is cached, or what others refer to or inherit."""
    installed = []
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if not meta.proxy and not meta.swapped and has_table(model):
            installed.append(model)
    wanted = {model for model in installed
              if everything or profile(model) or not is_djangos(model)}
    for model in [model for model in installed if model in wanted]:
        wanted |= neighbours(model)
    return ([model for model in installed if model in wanted],
            [model for model in installed if model not in wanted])


def has_table(model):
    """Views and the like are not managed, and nothing tells that apart."""
    return model._meta.managed


def is_djangos(model):
    owner = model._meta.auto_created or model
    return owner.__module__.startswith("django.")


def neighbours(model):
    """What is joined to get at this model's objects."""
    meta = model._meta
    found = {field.remote_field.model._meta.concrete_model
             for field in foreign_keys(model)}
    for field in meta.local_many_to_many:
        found |= {field.remote_field.through._meta.concrete_model,
                  field.remote_field.model._meta.concrete_model}
    return found


def foreign_keys(model):
    """Foreign keys and one-to-one fields with a column in its table."""
    return [field for field in model._meta.local_fields
            if field.remote_field is not None and field.column is not None
            and (field.many_to_one or field.one_to_one)]


def model_text(model, rules):
    meta = model._meta
    lines = ["", f"  # {meta.label}{about(model, rules)}",
             f"  {graph_name(model)}:",
             f"    table: {scalar(sql_name(meta.db_table))}",
             "    invalidate:", f"      - {rules.rule(model)}"]
    return "\n".join(lines) + "\n"


def about(model, rules):
    if model._meta.auto_created:
        return ": a link table"
    if rules.has_cacheops and not rules.profile(model):
        return ": not in CACHEOPS, but cached queries may join it"
    return ""


# Rules ----------------------------------------------------------------------

class Rules:
    """A model's rule: cacheops where that is installed, else a key."""

    def __init__(self, prefixes):
        self.has_cacheops = apps.is_installed("cacheops")
        self.prefixes = prefixes
        if self.has_cacheops and not prefixes:
            self.prefixes = [called_prefix()]

    def profile(self, model):
        if not self.has_cacheops:
            return None
        from cacheops.conf import model_profile
        owner = model._meta.auto_created
        proxies = [other for other in apps.get_models()
                   if other._meta.concrete_model is model]
        return any(model_profile(each)
                   for each in [model, *proxies, *([owner] if owner else [])])

    def rule(self, model):
        if not self.has_cacheops:
            column = model._meta.pk.column
            return scalar(f"{graph_name(model)}:{{{word(column)}}}", True)
        return f"cacheops: {flow_map(self.options(model))}"

    def options(self, model):
        meta = model._meta
        options = {}
        if self.prefixes != [""]:
            prefixes = [literal(each) for each in self.prefixes]
            options["prefix"] = prefixes if prefixes[1:] else prefixes[0]
        if relation_name(meta.db_table) != meta.db_table:
            options["table"] = meta.db_table
        renamed = {field.column: field.attname for field in meta.local_fields
                   if field.column not in (None, field.attname)}
        if renamed:
            options["columns"] = renamed
        options["joins"] = joined_columns(model)
        return options


def joined_columns(model):
    """The columns by which queries join the model's table: its keys, and what
    foreign keys of others refer to."""
    meta = model._meta
    reverse = [each for each in meta.get_fields(include_hidden=True)
               if each.auto_created and not each.concrete
               and (each.one_to_many or each.one_to_one)]
    referred = {each.field.target_field.column for each in reverse}
    generic = {name for each in meta.private_fields
               for name in (getattr(each, "fk_field", None),
                            getattr(each, "ct_field", None))}
    return [field.column for field in meta.local_fields
            if field.column is not None
            and (field.primary_key or field.is_relation
                 or field.column in referred or field.name in generic)]


def called_prefix():
    """What CACHEOPS_PREFIX returns, if it looks at no query."""
    from cacheops.conf import settings
    try:
        prefix = settings.CACHEOPS_PREFIX(None)
    except Exception as error:
        raise Unknown("CACHEOPS_PREFIX needs a query to tell the prefix of "
                      "keys: name all that it can return with --prefix"
                      ) from error
    return str(prefix)


# Relations ------------------------------------------------------------------

def relation_lines(models):
    """The relations of all models, each once, under a line that explains."""
    seen = set()
    lines = []
    for model in models:
        for comment, relations, counts in relations_of(model, set(models)):
            new = [each for each in relations if each not in seen]
            if new:
                seen.update(new)
                lines.append(f"  # {comment}\n")
                mark = "" if counts else "#"
                lines += [f"{mark}  - {relation}\n" for relation in new]
    return lines


def relations_of(model, models):
    """(comment, relations, whether they count) of one model."""
    if not model._meta.auto_created:
        for field in foreign_keys(model):
            target = field.remote_field.model._meta.concrete_model
            if target in models:
                yield from of_key(model, field, target)
    for field in model._meta.local_many_to_many:
        through = field.remote_field.through
        if through._meta.auto_created and through in models:
            yield from of_link(model, field, through)


def of_key(model, field, target):
    here = side(model, field.column)
    there = side(target, field.target_field.column)
    name, other = model._meta.verbose_name, target._meta.verbose_name
    if getattr(field.remote_field, "parent_link", False):
        yield (plain(f"a changed {other} is part of a {name}"),
               [f"{there} -> {here}"], True)
        return
    yield (plain(f"a changed {name}: the {other} that its {field.name} refers"
                 " to"), [f"{here} -> {there}"], False)
    yield (plain(f"a changed {other}: every {name} whose {field.name} refers"
                 " to it"), [f"{there} -> {here}"], False)


def of_link(model, field, through):
    target = field.remote_field.model._meta.concrete_model
    to_model = through._meta.get_field(field.m2m_field_name())
    to_target = through._meta.get_field(field.m2m_reverse_field_name())
    ends = [(model, side(through, to_model.column),
             side(model, to_model.target_field.column)),
            (target, side(through, to_target.column),
             side(target, to_target.target_field.column))]
    for (here, link_in, row_in), (there, link_out, row_out) in (
            ends, ends[::-1]):
        yield (plain(f"a changed {here._meta.verbose_name}: every "
                     f"{there._meta.verbose_name} linked to it by "
                     f"{field.name}"),
               [f"{row_in} -> {link_in}",
                f"{link_out} -> {row_out}: {{ transitive: false }}"], False)


def side(model, column):
    return f"{graph_name(model)}.{word(column)}"


# Spelling -------------------------------------------------------------------

def plain(text):
    """A comment has one line."""
    return " ".join(str(text).split())


def word(name):
    """A column in a relation or a template."""
    if re.fullmatch(r"\w+", name, re.ASCII):
        return name
    return '"' + name.replace('"', '""') + '"'


def sql_name(db_table):
    """db_table as SQL spells it: Django quotes it, unless it is quoted."""
    quoted = connections[setting("database")].ops.quote_name(db_table)
    if re.fullmatch(r'"[a-z_][a-z0-9_]*"', quoted):
        return db_table.strip('"')
    return quoted


def relation_name(db_table):
    """The table without the schema that some put into db_table, as in
    'stats"."game'."""
    return db_table.strip('"').split('"."')[-1]


def scalar(text, is_quoted=False):
    """YAML; JSON's spelling of a text is YAML's too."""
    if (not is_quoted and re.fullmatch(r"[a-z_]\w*", text, re.ASCII)
            and text not in NOT_PLAIN):
        return text
    if '"' in text and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=False)


def literal(text):
    """In a template, in which braces mean something."""
    return text.replace("{", "{{").replace("}", "}}")


def flow_map(options):
    if not options:
        return "{}"
    return "{ " + ", ".join(f"{key}: {flow(value)}"
                            for key, value in options.items()) + " }"


def flow(value):
    if isinstance(value, dict):
        return flow_map({scalar(key): each for key, each in value.items()})
    if isinstance(value, list):
        return "[" + ", ".join(map(scalar, value)) + "]"
    return scalar(value, True)
