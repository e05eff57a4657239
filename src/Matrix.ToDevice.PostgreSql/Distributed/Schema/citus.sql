-- Distributes the tables of this layout, and the functions with them. Run it on the coordinator behind the other files, with search_path set
-- to the schema that holds them; the tables may have rows already, which are moved then, and nobody writes meanwhile.
-- Functions and tables in one transaction.
SET LOCAL citus.multi_shard_modify_mode TO 'sequential';

DO $$
DECLARE
    named text;
BEGIN
    PERFORM create_distributed_table('to_device_device', 'bucket');
    FOREACH named IN ARRAY ARRAY['removals', 'message', 'transaction', 'intent', 'delivered', 'destination', 'edu', 'lease', 'upkeep'] LOOP
        PERFORM create_distributed_table(format('to_device_%s', named)::regclass, 'bucket', colocate_with => 'to_device_device');
    END LOOP;
    PERFORM create_reference_table('to_device_distribution');

    FOR named IN
        SELECT p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND p.proargnames[1] = 'in_bucket'
    LOOP
        -- Citus keeps a plan of each shard for a statement that is used again, and fails to find it: a session would keep one for each time
        -- that a statement has run (seen in 13.2), and grow for ever.
        EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_custom_plan', named);
        PERFORM create_distributed_function(named::regprocedure, 'in_bucket', colocate_with => 'to_device_device');
    END LOOP;
END
$$;
