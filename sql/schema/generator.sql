-- The generator: which SQL turns a statement's rows into changes.
--
-- capture_sql() returns one INSERT into the outbox for one operation on one
-- table. watch() writes its text into the capture function; when the columns
-- have changed since (a migration), the capture function asks for the text
-- again and EXECUTEs it. One generator makes both, so they cannot disagree.
--
-- The functions below are called in a session whose settings the capture
-- function or watch() has pinned.

-- What the generator must know about each column.
--
--   shown     how its value gets into an image
--               as_is    JSON shows it as to_jsonb() does
--               float    through to_jsonb(): never an exponent
--               text     a string of what its output function prints. For
--                        every type that is structured, or not the server's
--                        own: to_json() would call a function that a user
--                        attached to the type with CREATE CAST (... AS json),
--                        with the rights of the outbox's owner
--               unknown  a virtual generated column has no value in a trigger
--   max_bytes the longest text it can have; NULL without bound
--   is_exact  its "=" is true only for values with the same text
--   is_packed of variable length, so it may be compressed or stored elsewhere
--   key_place its place in the primary key, NULL if it is not in it
--   key_sound the key's "=" is the server's own
CREATE OR REPLACE FUNCTION pgripple.column_facts(relid oid)
RETURNS TABLE (place integer, name text, type oid, shown text,
               max_bytes integer, is_exact boolean, is_packed boolean,
               key_place integer, key_sound boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE base AS (
        -- A domain counts as the type that it is made of.
        SELECT a.attnum, a.atttypid AS type, a.atttypmod AS typmod
        FROM pg_attribute AS a
        WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attnum, t.typbasetype, t.typtypmod
        FROM base AS b JOIN pg_type AS t ON t.oid = b.type
        WHERE t.typtype = 'd'
    )
    SELECT a.attnum::integer, a.attname::text, t.oid,
           CASE
               WHEN a.attgenerated = 'v' THEN 'unknown'
               WHEN t.typnamespace <> 'pg_catalog'::regnamespace
                    OR t.typtype <> 'b' OR t.typcategory = 'A'
                    OR t.oid IN ('json'::regtype, 'jsonb'::regtype) THEN 'text'
               WHEN t.oid IN ('float4'::regtype, 'float8'::regtype) THEN 'float'
               ELSE 'as_is'
           END,
           CASE
               WHEN t.typtype = 'e' THEN 64
               -- Up to four bytes a character; the type modifier counts four
               -- bytes of header as well.
               WHEN t.oid IN ('varchar'::regtype, 'bpchar'::regtype)
                    AND b.typmod > 0 THEN (b.typmod - 4) * 4
               WHEN t.oid IN ('numeric'::regtype) AND b.typmod > 0 THEN 1024
               WHEN t.typnamespace = 'pg_catalog'::regnamespace
                    AND (t.typlen > 0 AND t.typtype = 'b' OR t.oid
                         IN ('inet'::regtype, 'cidr'::regtype)) THEN 512
           END,
           t.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
                     'oid'::regtype, 'bool'::regtype, 'uuid'::regtype,
                     'date'::regtype, 'timestamp'::regtype,
                     'timestamptz'::regtype, 'time'::regtype),
           t.typlen < 0,
           array_position(i.indkey::int2[], a.attnum) + 1,
           EXISTS (
               SELECT FROM pg_opclass AS c
               JOIN pg_amop AS p ON p.amopfamily = c.opcfamily
                   AND p.amoplefttype = c.opcintype
                   AND p.amoprighttype = c.opcintype AND p.amopstrategy = 3
               JOIN pg_operator AS o ON o.oid = p.amopopr
               WHERE c.oid = i.indclass[array_position(i.indkey::int2[],
                                                       a.attnum)]
                   AND o.oprname = '='
                   AND o.oprnamespace = 'pg_catalog'::regnamespace)
    FROM base AS b
    JOIN pg_type AS t ON t.oid = b.type AND t.typtype <> 'd'
    JOIN pg_attribute AS a ON a.attrelid = $1 AND a.attnum = b.attnum
    LEFT JOIN pg_index AS i ON i.indrelid = $1 AND i.indisprimary
    ORDER BY a.attnum;
END
$$;
COMMENT ON FUNCTION pgripple.column_facts(oid) IS
    'what the generator must know about each column of a table';

-- The columns a table has now, as numbers to compare: SQL for a list of one
-- 64-bit hash for each column, of its name, type and type modifier. While it is
-- what it was at install, the static SQL of the capture function fits.
-- table_sql is SQL for the table's oid.
--
-- Hashes, because this runs in every statement of a writer: 5 us, where the
-- same as text, with the primary key in it, took 16. Types that are not the
-- server's own count by name, for their oids are other ones after a dump and
-- restore.
CREATE OR REPLACE FUNCTION pgripple.fingerprint_sql(table_sql text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format($sql$ARRAY(
            SELECT hashnameextended(a.attname, (
                CASE WHEN a.atttypid < 16384 THEN a.atttypid::bigint
                     ELSE hashtext(format_type(a.atttypid, NULL)) END << 32)
                + a.atttypmod)
            FROM pg_attribute AS a
            WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum)$sql$, table_sql)
$$;
COMMENT ON FUNCTION pgripple.fingerprint_sql(text) IS
    'SQL for a list of hashes of the columns that a table has now';

CREATE OR REPLACE FUNCTION pgripple.fingerprint(relid oid) RETURNS bigint[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    found bigint[];
BEGIN
    EXECUTE 'SELECT ' || pgripple.fingerprint_sql('$1') INTO found USING relid;
    RETURN found;
END
$$;
COMMENT ON FUNCTION pgripple.fingerprint(oid) IS
    'the columns a table has now, as hashes to compare';

-- The same, seen by a snapshot of its own: VOLATILE.
CREATE OR REPLACE FUNCTION pgripple.present_fingerprint(relid oid)
RETURNS bigint[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT pgripple.fingerprint($1));
END
$$;
COMMENT ON FUNCTION pgripple.present_fingerprint(oid) IS
    'the columns a table has now, in READ COMMITTED';

-- Whether a table has these columns. It is not IMMUTABLE, but says that it is:
-- with constants as arguments the planner calls it once and keeps the answer in
-- the plan, and Postgres forgets every plan that names a table's oid when that
-- table is altered. So the answer is always right, and no statement of a writer
-- pays for it: 5 us less.
--
-- For that the plan must be made under a snapshot that sees what was committed
-- before the statement got its lock on the table. So it must stand in a statement
-- of its own, which is reached in READ COMMITTED alone; and there, since COPY
-- takes its snapshot before its lock, present_fingerprint() takes another.
CREATE OR REPLACE FUNCTION pgripple.has_columns(
    relid oid, fingerprint bigint[])
RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN pgripple.present_fingerprint($1) = $2;
END
$$;
COMMENT ON FUNCTION pgripple.has_columns(oid, bigint[]) IS
    'whether a table has these columns; answered when a statement is planned';

-- By which columns an UPDATE of many rows is paired; NULL if by none.
CREATE OR REPLACE FUNCTION pgripple.primary_key(relid oid) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(a.attname::text
                ORDER BY array_position(i.indkey::int2[], a.attnum))
            FROM pg_index AS i
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid
                AND a.attnum = ANY (i.indkey::int2[])
            WHERE i.indrelid = $1 AND i.indisprimary);
END
$$;
COMMENT ON FUNCTION pgripple.primary_key(oid) IS
    'the columns of a table''s primary key, NULL without one';

-- Whether this transaction's snapshot shows the table's columns as they are. In
-- REPEATABLE READ and SERIALIZABLE it may be older than a migration: then the
-- catalog's tables still show the old names while statements must use the new
-- ones. Functions that describe objects read the present ones, and so do those
-- that look at rights: they give NULL for a column that does not exist. A new
-- one has a number above all others; of several in one transaction's time, the
-- first 50 may be dropped again.
CREATE OR REPLACE FUNCTION pgripple.snapshot_is_current(relid oid)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT c.relfilenode = pg_relation_filenode(c.oid)
            FROM pg_class AS c WHERE c.oid = $1)
        AND NOT EXISTS (
            SELECT FROM pg_attribute AS a
            CROSS JOIN LATERAL pg_identify_object(
                'pg_class'::regclass, a.attrelid, a.attnum) AS i
            WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
                AND i.identity <> format('%s.%I', $1::regclass, a.attname))
        AND NOT EXISTS (
            SELECT FROM generate_series(1, 50) AS further
            WHERE has_column_privilege($1, ((
                SELECT max(a.attnum) FROM pg_attribute AS a
                WHERE a.attrelid = $1) + further)::int2, 'SELECT')
                IS NOT NULL);
END
$$;
COMMENT ON FUNCTION pgripple.snapshot_is_current(oid) IS
    'false in a transaction that began before the table''s last migration';

-- The expression that shows a column's value in JSON, for row_to_json() and the
-- like: the daemon looks rows up with it. source is the alias of the row.
--
-- A text over 1 kB stays out: images must be small, and the writer must not
-- pay for fetching and unpacking it. octet_length() of a string and
-- pg_column_size() look at a value's header only; the third test prints a
-- value that is small as it is stored, but may be long as text.
CREATE OR REPLACE FUNCTION pgripple.value_sql(
    source text, name text, type oid, shown text, max_bytes integer)
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    value text := format('%s.%I', source, name);
    is_long text;
    as_json text;
BEGIN
    IF shown = 'unknown' THEN
        RETURN $value$'{"unknown":"virtual generated column"}'::json$value$;
    END IF;
    IF max_bytes <= 1024 AND shown = 'as_is' THEN
        RETURN value;
    END IF;

    as_json := CASE shown
        WHEN 'float' THEN format('to_jsonb(%s)', value)
        WHEN 'as_is' THEN format('to_json(%s)', value)
        -- IS DISTINCT FROM NULL: a composite of NULLs is not NULL itself.
        ELSE format('CASE WHEN %1$s IS DISTINCT FROM NULL '
                    || 'THEN to_json(format(''%%s'', %1$s)) END', value)
    END;
    IF max_bytes <= 1024 THEN
        RETURN as_json;
    END IF;

    is_long := CASE
        WHEN type IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
            THEN format('octet_length(%s) > 1024', value)
        WHEN type = 'bytea'::regtype    -- "\x", and two digits for each byte
            THEN format('octet_length(%s) > 511', value)
        ELSE format('pg_column_size(%1$s) > 1024 '
                    || 'OR octet_length(format(''%%s'', %1$s)) > 1024', value)
    END;
    RETURN format('CASE WHEN %s THEN ''{"unknown":"too large"}''::json '
                  'ELSE %s END', is_long, as_json);
END
$$;
COMMENT ON FUNCTION pgripple.value_sql(text, text, oid, text, integer) IS
    'SQL that shows a column''s value in an image';

-- The same as JSON text, never NULL. What needs no escaping is not escaped.
CREATE OR REPLACE FUNCTION pgripple.value_text_sql(
    source text, name text, type oid, shown text, max_bytes integer)
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    value text := format('%s.%I', source, name);
    as_json text := pgripple.value_sql(source, name, type, shown, max_bytes);
BEGIN
    RETURN CASE
        WHEN type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
                      'bool'::regtype) AND shown = 'as_is'
            THEN format('coalesce(%s::text, ''null'')', value)
        WHEN type IN ('uuid'::regtype, 'oid'::regtype) AND shown = 'as_is'
            THEN format('coalesce(''"'' || %s::text || ''"'', ''null'')', value)
        WHEN as_json = value
            THEN format('coalesce(to_json(%s)::text, ''null'')', value)
        ELSE format('coalesce((%s)::text, ''null'')', as_json)
    END;
END
$$;
COMMENT ON FUNCTION pgripple.value_text_sql(text, text, oid, text, integer) IS
    'SQL for the JSON text of a column''s value';

-- Which settings of a session change how a type's values look as JSON, each
-- with what capture pins it to.
--
-- Pinning one costs every statement of a writer 0.3 us. A type that is not
-- known here may depend on any of them.
CREATE OR REPLACE FUNCTION pgripple.value_settings(type oid) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT CASE
            WHEN t.typtype = 'e' OR t.oid = ANY (ARRAY[
                    'int2', 'int4', 'int8', 'numeric', 'oid', 'bool', 'text',
                    'varchar', 'bpchar', 'name', '"char"', 'uuid', 'date', 'time',
                    'timetz', 'timestamp', 'json', 'jsonb', 'xml', 'inet', 'cidr',
                    'macaddr', 'macaddr8', 'bit', 'varbit', 'pg_lsn', 'xid',
                    'xid8']::regtype[]::oid[]) THEN '{}'
            WHEN t.oid = 'timestamptz'::regtype THEN ARRAY['TimeZone=UTC']
            WHEN t.oid = 'interval'::regtype THEN ARRAY['IntervalStyle=postgres']
            WHEN t.oid = 'bytea'::regtype THEN ARRAY['bytea_output=hex']
            WHEN t.oid IN ('float4'::regtype, 'float8'::regtype)
                THEN ARRAY['extra_float_digits=1']
            ELSE ARRAY['DateStyle=ISO, YMD', 'IntervalStyle=postgres',
                       'TimeZone=UTC', 'bytea_output=hex', 'extra_float_digits=1',
                       'lc_monetary=C', 'quote_all_identifiers=off']
        END
        FROM pg_type AS t WHERE t.oid = $1);
END
$$;
COMMENT ON FUNCTION pgripple.value_settings(oid) IS
    'the settings that change how a type''s values look';

-- SQL that puts many texts in a row: concat(), which takes half the time of a
-- chain of "||". A function has at most 100 arguments, so of many parts fifty
-- each are put together first.
CREATE OR REPLACE FUNCTION pgripple.concat_sql(parts text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT CASE WHEN count(*) = 1 THEN min(call)
               ELSE 'concat(' || string_agg(call, E',\n            '
                                            ORDER BY place) || ')' END
        FROM (SELECT (p.place - 1) / 50 AS place,
                     'concat(' || string_agg(p.sql, E',\n            '
                                             ORDER BY p.place) || ')' AS call
              FROM unnest($1) WITH ORDINALITY AS p (sql, place)
              GROUP BY 1) AS calls);
END
$$;
COMMENT ON FUNCTION pgripple.concat_sql(text[]) IS
    'SQL that puts many texts in a row';

-- The text of one image, as SQL for each of its parts. After a migration a column
-- can be gone, or be of a type that depends on a setting which the capture
-- function does not pin.
DROP FUNCTION IF EXISTS pgripple.image_sql(text, oid, text[], boolean);
CREATE OR REPLACE FUNCTION pgripple.image_parts(
    source text, relid oid, columns text[], is_drift boolean)
RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(
            quote_literal(CASE wanted.place WHEN 1 THEN '{' ELSE ',' END
                          || to_json(wanted.name) || ':')
            || ', ' || CASE
                WHEN f.name IS NULL
                    THEN $value$'{"unknown":"no such column"}'$value$
                WHEN $4 AND EXISTS (
                    SELECT FROM unnest(pgripple.value_settings(f.type)) AS s
                    WHERE current_setting(split_part(s, '=', 1))
                        <> split_part(s, '=', 2))
                    THEN $value$'{"unknown":"type changed"}'$value$
                ELSE pgripple.value_text_sql($1, f.name, f.type, f.shown,
                                             f.max_bytes)
            END ORDER BY wanted.place) || ARRAY[$end$'}'$end$],
            ARRAY[$value$'{}'$value$])
        FROM unnest($3) WITH ORDINALITY AS wanted (name, place)
        LEFT JOIN pgripple.column_facts($2) AS f ON f.name = wanted.name);
END
$$;
COMMENT ON FUNCTION pgripple.image_parts(text, oid, text[], boolean) IS
    'SQL for the parts of the text of a row''s image';

-- The condition under which a column differs between o and n.
--
-- Images are compared (*<>), for a type's own "=" may call different texts
-- equal or not exist at all. Under COLLATE "C" that of a string is a plain
-- comparison of bytes. Values over 2000 bytes, as they are stored, are not compared
-- but count as different: unpacking them can take the writer a thousand times
-- longer than its own work.
CREATE OR REPLACE FUNCTION pgripple.differs_sql(
    name text, type oid, is_exact boolean, is_packed boolean,
    max_bytes integer)
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    differs text := format(CASE
        WHEN is_exact THEN 'o.%1$I IS DISTINCT FROM n.%1$I'
        WHEN type IN ('text'::regtype, 'varchar'::regtype)
            THEN 'o.%1$I COLLATE "C" IS DISTINCT FROM n.%1$I COLLATE "C"'
        ELSE 'ROW(o.%1$I)::record *<> ROW(n.%1$I)::record' END, name);
BEGIN
    IF is_exact OR NOT is_packed OR max_bytes <= 1996 THEN
        RETURN differs;
    END IF;
    RETURN format('CASE WHEN pg_column_size(o.%1$I) > 2000 '
                  'OR pg_column_size(n.%1$I) > 2000 THEN true ELSE %2$s END',
                  name, differs);
END
$$;
COMMENT ON FUNCTION pgripple.differs_sql(
    text, oid, boolean, boolean, integer) IS
    'SQL that says whether a column differs between old and new row';

-- The INSERT that writes the changes of one statement, from the transition
-- tables pgripple_old and pgripple_new.
--
--   operation  insert, update or delete
--   columns    what the images hold; those that do not exist are unknown
--   ignore     an UPDATE of nothing else writes nothing
--   is_many    false if the statement changed one row, which needs no chunks;
--              NULL if that is not known: then it writes if it was one, and
--              nothing otherwise
--   is_drift   mark the change as written after a migration
--
-- For one row, its change is put together from the row. For many, from the
-- inside out: images (one row for each pair that counts), chunks (their bytes
-- summed up: about 64 kB, and at most 1,000 images on a side, since each pair
-- counts for 66 bytes or more), one outbox row for each.
--
-- The JSON is made as text, which takes less than the functions that build JSON:
-- 1 us less for one row. The cast to json checks it. OFFSET 0 keeps the planner
-- from computing a text once for each use of it. So does LIMIT 1, and from taking
-- a statement for expensive, worth to be compiled, when it is planned while there
-- are many rows.
CREATE OR REPLACE FUNCTION pgripple.capture_sql(
    relid oid, table_name text, operation text, columns text[], ignore text[],
    is_many boolean, is_drift boolean)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    has_old boolean := operation <> 'insert';
    has_new boolean := operation <> 'delete';
    old_parts text[] := pgripple.image_parts('o', relid, columns, is_drift);
    new_parts text[] := pgripple.image_parts('n', relid, columns, is_drift);
    key_columns text[];
    is_paired boolean;      -- old and new row of an update are put together
    is_pair text;           -- both are there and have the same key
    keys_differ boolean;    -- the same key can be another text, or is ignored
    is_different text;      -- anything but ignore differs
    differences text := ''; -- is_single, differs_1, ... beside the images
    changed text[] := '{}'; -- the member with the columns that differ
    conditions text[];
    source text;            -- the rows, or the images
    change text[];
BEGIN
    SELECT array_agg(f.name ORDER BY f.key_place) INTO key_columns
        FROM pgripple.column_facts(relid) AS f WHERE f.key_place IS NOT NULL
        HAVING bool_and(f.key_sound);
    is_paired := operation = 'update' AND key_columns IS NOT NULL;

    IF is_paired THEN
        is_pair := (SELECT string_agg(format('n.%1$I = o.%1$I', key), ' AND ')
                    FROM unnest(key_columns) AS key);
        SELECT bool_or(NOT f.is_exact OR f.name = ANY (ignore))
            INTO keys_differ FROM pgripple.column_facts(relid) AS f
            WHERE f.key_place IS NOT NULL;
        SELECT concat_ws(E'\n        OR ',
                   CASE WHEN keys_differ
                        THEN '(' || is_pair || ') IS NOT TRUE' END,
                   string_agg(pgripple.differs_sql(
                           f.name, f.type, f.is_exact, f.is_packed,
                           f.max_bytes),
                       E'\n        OR ' ORDER BY f.is_exact DESC, f.place))
            INTO is_different
            FROM pgripple.column_facts(relid) AS f
            WHERE f.shown <> 'unknown' AND f.name <> ALL (ignore);

        -- For many rows, whether any pair differs is found by bool_or().
        WITH wanted AS (
            SELECT w.place, to_json(w.name)::text AS name,
                   CASE WHEN f.name IS NULL OR f.shown = 'unknown' THEN 'true'
                        WHEN f.key_place IS NOT NULL AND f.is_exact THEN 'false'
                        ELSE pgripple.differs_sql(f.name, f.type, f.is_exact,
                                                  f.is_packed, f.max_bytes)
                   END AS differs
            FROM unnest(columns) WITH ORDINALITY AS w (name, place)
            LEFT JOIN pgripple.column_facts(relid) AS f ON f.name = w.name)
        SELECT format(E',\n            (%s) IS NOT TRUE AS is_single', is_pair)
                   || coalesce(string_agg(format(
                       E',\n            %s AS differs_%s', differs, place),
                       '' ORDER BY place), ''),
               ARRAY[$changed$'],"changed":['$changed$,
                   format($changed$CASE WHEN %s THEN %L
            ELSE ltrim(%s, ',') END$changed$,
                   CASE WHEN is_many THEN 'bool_or(is_single)'
                        ELSE '(' || is_pair || ') IS NOT TRUE' END,
                   coalesce(string_agg(name, ',' ORDER BY place), ''),
                   coalesce(pgripple.concat_sql(array_agg(format(
                       'CASE WHEN %s THEN %L END',
                       CASE WHEN is_many
                            THEN format('bool_or(differs_%s)', place)
                            ELSE differs END, ',' || name)
                       ORDER BY place) FILTER (WHERE differs <> 'false')),
                       ''''''))]
            INTO differences, changed FROM wanted;
    END IF;

    IF is_many IS NOT TRUE THEN
        conditions := array_remove(ARRAY[
            CASE WHEN is_many IS NULL
                 THEN format('NOT EXISTS (SELECT FROM %s OFFSET 1)',
                             CASE WHEN has_old THEN 'pgripple_old'
                                  ELSE 'pgripple_new' END) END,
            '(' || is_different || ')'], NULL);
        source := concat_ws(' CROSS JOIN ',
            CASE WHEN has_old THEN 'pgripple_old AS o' END,
            CASE WHEN has_new THEN 'pgripple_new AS n' END)
            || CASE WHEN conditions = '{}' THEN ''
               ELSE E'\n    WHERE '
                    || array_to_string(conditions, E'\n        AND ') END;
    ELSE
        source := CASE WHEN is_paired THEN format($images$
        SELECT CASE WHEN o.%1$I IS NOT NULL THEN %2$s END AS old_image,
            CASE WHEN n.%1$I IS NOT NULL THEN %3$s END AS new_image%4$s
        FROM pgripple_old AS o
        FULL JOIN pgripple_new AS n ON %5$s
        WHERE %6$s$images$, key_columns[1], pgripple.concat_sql(old_parts),
            pgripple.concat_sql(new_parts), differences, is_pair, is_different)
        ELSE concat_ws(E'\n        UNION ALL',
            CASE WHEN has_old THEN format($images$
        SELECT %s AS old_image, NULL::text AS new_image
        FROM pgripple_old AS o$images$, pgripple.concat_sql(old_parts)) END,
            CASE WHEN has_new THEN format($images$
        SELECT NULL::text AS old_image, %s AS new_image
        FROM pgripple_new AS n$images$, pgripple.concat_sql(new_parts)) END)
        END;
        source := format($chunks$(
        SELECT *, sum(greatest(66, coalesce(octet_length(old_image), 0)
                           + coalesce(octet_length(new_image), 0)))
                OVER (ROWS UNBOUNDED PRECEDING) / 65536 AS chunk
        FROM (%s
        OFFSET 0) AS images) AS chunks
    GROUP BY chunk$chunks$, source);
        -- A side of a chunk may be empty, NULL: concat() leaves it out.
        old_parts := ARRAY['string_agg(old_image, '','')'];
        new_parts := ARRAY['string_agg(new_image, '','')'];
    END IF;

    change := ARRAY[quote_literal(format('{"table":%s,"op":"%s"%s',
            to_json(table_name), operation,
            CASE WHEN has_old THEN ',"old":[' ELSE ',"new":[' END))]
        || CASE WHEN has_old THEN old_parts END
        || CASE WHEN has_old AND has_new THEN $sql$'],"new":['$sql$ END
        || CASE WHEN has_new THEN new_parts END
        || changed
        || CASE WHEN is_drift THEN $sql$'],"drift":true}'$sql$
           ELSE $sql$']}'$sql$ END;
    change := array_remove(change, NULL);

    RETURN format($insert$INSERT INTO pgripple.outbox (change, bytes)
SELECT change::json, octet_length(change)
FROM (
    SELECT %s AS change
    FROM %s
    %s) AS changes$insert$, pgripple.concat_sql(change), source,
        CASE WHEN is_many IS NULL THEN 'LIMIT 1' ELSE 'OFFSET 0' END);
END
$$;
COMMENT ON FUNCTION pgripple.capture_sql(
    oid, text, text, text[], text[], boolean, boolean) IS
    'the INSERT that turns the rows of a statement into changes';
