-- What older versions had.

-- Its functions go. But those that a capture function of before still calls
-- stay, for its writers would fail: the next run of this file takes them away,
-- when watch() has replaced it.
DO $$
DECLARE
    former text;
BEGIN
    FOREACH former IN ARRAY ARRAY[
            'signature(oid)', 'capture_settings()',
            'image_sql(text,oid,text[])',
            'images_sql(text,boolean)',
            'differs_sql(text,boolean,boolean,integer)',
            'wanted_triggers()', 'trigger_states(oid,oid)',
            'mend_triggers(regclass,oid)',
            'wanted_triggers(boolean)', 'trigger_states(oid[],oid,boolean)',
            'mend_triggers(regclass,oid,boolean)'] LOOP
        IF NOT EXISTS (
                SELECT FROM pg_catalog.pg_proc AS p
                WHERE p.oid IN (SELECT t.tgfoid FROM pg_catalog.pg_trigger AS t)
                    AND pg_catalog.strpos(p.prosrc, pg_catalog.format(
                        'pgripple.%s(',
                        pg_catalog.split_part(former, '(', 1))) > 0) THEN
            EXECUTE pg_catalog.format('DROP FUNCTION IF EXISTS pgripple.%s',
                                      former);
        END IF;
    END LOOP;
END
$$;
