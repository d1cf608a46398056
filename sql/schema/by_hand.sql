-- By hand.
--
-- What an application knows and no trigger sees: a value that was computed from
-- something outside of the database, a cache that was filled wrongly. It asks
-- in its own transaction, so what it asks for happens after the commit, or not
-- at all. Each function returns the transaction, for applied().
--
-- A change that was asked for names a model of the graph, which only the daemon
-- has: the table model is what `pgripple install` told of it.

-- What set_models() would change, in words; no row if nothing.
CREATE OR REPLACE FUNCTION pgripple.model_differences(
    tbl regclass, models text[])
RETURNS TABLE (difference text) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN m.name IS NULL
                THEN format('is to be known as model "%s"', w.name)
                ELSE format('is no longer to be known as model "%s"', m.name)
           END
    FROM (SELECT DISTINCT u.name FROM unnest($2) AS u (name)) AS w
    FULL JOIN (SELECT k.name FROM pgripple.model AS k WHERE k.relid = $1) AS m
        ON m.name = w.name
    WHERE m.name IS NULL OR w.name IS NULL
    ORDER BY coalesce(m.name, w.name)
$$;
COMMENT ON FUNCTION pgripple.model_differences(regclass, text[]) IS
    'what set_models() would change, in words; nothing if all is right';

-- Tells which models live on a watched table. False if that was known already.
CREATE OR REPLACE FUNCTION pgripple.set_models(tbl regclass, models text[])
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pgripple.model_differences(tbl, models)) THEN
        RETURN false;
    END IF;
    DELETE FROM pgripple.model AS m WHERE m.relid = tbl OR m.name = ANY (models);
    INSERT INTO pgripple.model SELECT DISTINCT u.name, tbl
        FROM unnest(models) AS u (name);
    RETURN true;
END
$$;
COMMENT ON FUNCTION pgripple.set_models(regclass, text[]) IS
    'tells which models of the graph live on a table; false if it was known';

-- The table of a model, as it is watched.
CREATE OR REPLACE FUNCTION pgripple.table_of(model text)
RETURNS pgripple.watch_list LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    w pgripple.watch_list;
BEGIN
    SELECT l.* INTO w FROM pgripple.model AS m
        JOIN pgripple.watch_list AS l ON l.relid = m.relid
        WHERE m.name = model;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = format('unknown model "%s"', model),
            HINT = coalesce(
                (SELECT format('Models are %s. ',
                               string_agg(format('"%s"', m.name), ', '
                                          ORDER BY m.name))
                 FROM pgripple.model AS m HAVING count(*) > 0), '')
                || 'One that is new in the graph is known after '
                || '"pgripple install".';
    END IF;
    RETURN w;
END
$$;
COMMENT ON FUNCTION pgripple.table_of(text) IS
    'the watched table that a model lives on';

-- Which of a watched table's columns a row gives, checked.
CREATE OR REPLACE FUNCTION pgripple.given_columns(
    model text, w pgripple.watch_list, given jsonb)
RETURNS text[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    names text[];
    stray text;
BEGIN
    IF jsonb_typeof(given) IS DISTINCT FROM 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format(
                'a row of model "%s" is given as %s instead of an object', model,
                CASE jsonb_typeof(given) WHEN 'array' THEN 'an array'
                    ELSE coalesce(nullif('a ' || jsonb_typeof(given), 'a null'),
                                  'null') END),
            HINT = 'Write it like {"id": 42}.';
    ELSIF octet_length(given::text) > 65536 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('a row of model "%s" is longer than 64 kB', model);
    END IF;
    names := ARRAY(SELECT jsonb_object_keys(given));
    stray := (SELECT u.name FROM unnest(names) AS u (name)
              WHERE u.name <> ALL (w.columns) LIMIT 1);
    IF stray IS NOT NULL THEN
        RAISE undefined_column USING
            MESSAGE = format('model "%s" has no column "%s" in the graph',
                             model, stray),
            HINT = CASE w.columns WHEN '{}' THEN 'It has none at all.'
                ELSE 'Columns are ' || (
                    SELECT string_agg(format('"%s"', u.name), ', ')
                    FROM unnest(w.columns) AS u (name)) || '.' END;
    ELSIF names = '{}' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('a row of model "%s" has no columns', model),
            HINT = 'invalidate_model() is for all rows of a model.';
    END IF;
    RETURN names;
END
$$;
COMMENT ON FUNCTION pgripple.given_columns(text, pgripple.watch_list, jsonb) IS
    'the columns that are given of a row, each of them known';

-- SQL that reads a value as its column's type, if that is the server's own. The
-- input of others may run a user's code, with the rights of the outbox's owner:
-- their text stays as it is. A type modifier counts, 5 is "5.00" in a
-- numeric(10,2); but that of a string would cut it.
CREATE OR REPLACE FUNCTION pgripple.cast_sql(
    relid oid, name text, base oid, value text)
RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT quote_literal($4) || '::' || coalesce(
        (SELECT CASE WHEN a.atttypid = t.oid AND t.oid <> 'varchar'::regtype
                     THEN format_type(a.atttypid, a.atttypmod)
                     ELSE format('pg_catalog.%I', t.typname) END
         FROM pg_attribute AS a, pg_type AS t
         WHERE a.attrelid = $1 AND a.attname = $2 AND t.oid = $3
             AND t.typtype = 'b'
             AND t.typnamespace = 'pg_catalog'::regnamespace), 'text')
$$;
COMMENT ON FUNCTION pgripple.cast_sql(oid, text, oid, text) IS
    'SQL that reads a value that was given by hand';

-- What is given of a column as JSON text, spelled as capture spells it. For the
-- types that keys mostly are it is done at once; for others the generator is
-- asked, which takes a hundred times as long.
CREATE OR REPLACE FUNCTION pgripple.given_value(
    relid oid, name text, given jsonb)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    value text := given ->> name;
    type regtype := (SELECT a.atttypid FROM pg_attribute AS a
                     WHERE a.attrelid = relid AND a.attname = name
                         AND NOT a.attisdropped);
    shown text;
BEGIN
    IF type IS NULL THEN
        RETURN '{"unknown":"no such column"}';
    ELSIF value IS NULL THEN
        RETURN 'null';
    ELSIF jsonb_typeof(given -> name) IN ('object', 'array')
            AND type NOT IN ('json'::regtype, 'jsonb'::regtype) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('column "%s" is given as an %s', name,
                             jsonb_typeof(given -> name)),
            HINT = 'Give a value as text, spelled as Postgres prints it.';
    END IF;

    IF type IN ('text'::regtype, 'varchar'::regtype)
            AND octet_length(value) <= 1024 THEN
        RETURN to_json(value);
    END IF;
    CASE type
        WHEN 'int2'::regtype THEN RETURN value::int2;
        WHEN 'int4'::regtype THEN RETURN value::int4;
        WHEN 'int8'::regtype THEN RETURN value::int8;
        WHEN 'uuid'::regtype THEN RETURN to_json(value::uuid);
        ELSE
            SELECT format('SELECT %s FROM (SELECT %s AS %I) AS g',
                          pgripple.value_text_sql('g', f.name, f.type, f.shown,
                                                  f.max_bytes),
                          pgripple.cast_sql(relid, f.name, f.type, value),
                          f.name)
                INTO shown FROM pgripple.column_facts(relid) AS f
                WHERE f.name = $2;
            EXECUTE shown INTO shown;
            RETURN shown;
    END CASE;
END
$$;
COMMENT ON FUNCTION pgripple.given_value(oid, text, jsonb) IS
    'the JSON text of a value that was given by hand';

-- The image of a row as far as it is given.
CREATE OR REPLACE FUNCTION pgripple.given_image(
    relid oid, columns text[], given jsonb)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'postgres' SET TimeZone = 'UTC' SET bytea_output = 'hex'
SET extra_float_digits = 1 SET lc_monetary = 'C'
SET quote_all_identifiers = off AS $$
BEGIN
    RETURN '{' || (SELECT string_agg(
        to_json(u.name) || ':' || pgripple.given_value(relid, u.name, given),
        ',') FROM unnest(columns) AS u (name)) || '}';
END
$$;
COMMENT ON FUNCTION pgripple.given_image(oid, text[], jsonb) IS
    'the image of a row that was given by hand';

-- Past the bound of the outbox a mark of the table stands for this as well.
CREATE OR REPLACE FUNCTION pgripple.write_by_hand(
    model text, w pgripple.watch_list, what text)
RETURNS xid8 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pgripple.mark_instead(w.table_name) THEN
        PERFORM pgripple.write_change(format(
            '{"op":"invalidate","model":%s,%s}', to_json(model), what)::json);
    END IF;
    RETURN pg_current_xact_id();
END
$$;
COMMENT ON FUNCTION pgripple.write_by_hand(text, pgripple.watch_list, text) IS
    'writes a change of a model that was asked for by hand';

-- A row of a model: invalidate('team', '{"id": 42}'). The graph is followed as
-- if the row had changed. Columns that are not given are looked up by those that
-- are, when the daemon comes to it.
CREATE OR REPLACE FUNCTION pgripple.invalidate(model text, given jsonb)
RETURNS xid8 LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    w pgripple.watch_list := pgripple.table_of(model);
    columns text[] := pgripple.given_columns(model, w, given);
BEGIN
    RETURN pgripple.write_by_hand(model, w, format('"new":[%s]',
        pgripple.given_image(w.relid, columns, given)));
END
$$;
COMMENT ON FUNCTION pgripple.invalidate(text, jsonb) IS
    'invalidates a row of a model and what depends on it, after the commit';

CREATE OR REPLACE FUNCTION pgripple.invalidate_model(model text)
RETURNS xid8 LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pgripple.write_by_hand(model, pgripple.table_of(model),
                                  '"whole":"by hand"');
END
$$;
COMMENT ON FUNCTION pgripple.invalidate_model(text) IS
    'invalidates a whole model and what depends on it, after the commit';

CREATE OR REPLACE FUNCTION pgripple.invalidate_all()
RETURNS xid8 LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pgripple.invalidate_model(m.name) FROM pgripple.model AS m
        JOIN pgripple.watch_list AS w ON w.relid = m.relid ORDER BY m.name;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = 'no model is known',
            HINT = 'Run "pgripple install".';
    END IF;
    RETURN pg_current_xact_id();
END
$$;
COMMENT ON FUNCTION pgripple.invalidate_all() IS
    'invalidates every model, after the commit';
