-- Owner and rights.

-- Gives everything in the schema to the schema's owner. When another role, such
-- as a superuser, upgrades, what is new belongs to that role: the functions
-- that run with the owner's rights could not use it, and every write to a
-- watched table would fail.
CREATE OR REPLACE FUNCTION pgripple.own_everything() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    own pg_namespace;
    object text;
BEGIN
    SELECT n.* INTO own FROM pg_namespace AS n
        JOIN pg_class AS c ON c.relnamespace = n.oid
        WHERE c.oid = 'pgripple.outbox'::regclass;
    FOR object IN
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END
               || c.oid::regclass
        FROM pg_class AS c
        WHERE c.relnamespace = own.oid AND c.relowner <> own.nspowner
            AND c.relkind IN ('r', 'S')
            -- A column's sequence follows its table.
            AND NOT EXISTS (SELECT FROM pg_depend AS d
                            WHERE d.classid = 'pg_class'::regclass
                                AND d.objid = c.oid AND d.refobjsubid > 0)
        UNION ALL
        SELECT 'ROUTINE ' || p.oid::regprocedure FROM pg_proc AS p
        WHERE p.pronamespace = own.oid AND p.proowner <> own.nspowner
    LOOP
        EXECUTE format('ALTER %s OWNER TO %s', object, own.nspowner::regrole);
    END LOOP;
END
$$;
COMMENT ON FUNCTION pgripple.own_everything() IS
    'gives everything in the schema to the schema''s owner';

DO $$BEGIN
    PERFORM pgripple.own_everything();
END$$;

-- A forged change could invalidate anything, and a read one shows data.
REVOKE ALL ON ALL TABLES IN SCHEMA pgripple FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA pgripple FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA pgripple FROM PUBLIC;
