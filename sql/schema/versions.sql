-- Versions.

CREATE OR REPLACE FUNCTION pgripple.version() RETURNS text
LANGUAGE sql IMMUTABLE AS $$SELECT '0.1.0'::text$$;
COMMENT ON FUNCTION pgripple.version() IS
    'the version of pgripple that this file came with';

-- The daemon refuses to work with a schema it does not know.
CREATE OR REPLACE FUNCTION pgripple.schema_version() RETURNS integer
LANGUAGE sql IMMUTABLE AS $$SELECT 7$$;
COMMENT ON FUNCTION pgripple.schema_version() IS
    'grows when tables or the form of a change become different';
