namespace LocalHomeserver;

/// <summary>The tables of keys, and of what lives with them. SQLite has no schemas: there, <c>local_homeserver</c> is the name of the attached file.</summary>
internal static class KeySchema
{
    /// <summary>
    /// A <c>position</c> says when something changed, and is compared with the one in a client's sync token; the keys
    /// themselves are canonical JSON.
    /// </summary>
    public const string Tables = """
        CREATE TABLE IF NOT EXISTS local_homeserver.key_position (
            the_only_row bigint PRIMARY KEY CHECK (the_only_row = 1), position bigint NOT NULL);
        INSERT INTO local_homeserver.key_position VALUES (1, 0) ON CONFLICT DO NOTHING;
        CREATE TABLE IF NOT EXISTS local_homeserver.device_keys (
            user_id bytea, device_id bytea, keys bytea NOT NULL, PRIMARY KEY (user_id, device_id));
        CREATE TABLE IF NOT EXISTS local_homeserver.one_time_key (
            user_id bytea, device_id bytea, algorithm bytea, key_id bytea, key bytea NOT NULL,
            position bigint NOT NULL, number bigint NOT NULL, PRIMARY KEY (user_id, device_id, algorithm, key_id));
        CREATE TABLE IF NOT EXISTS local_homeserver.fallback_key (
            user_id bytea, device_id bytea, algorithm bytea, key_id bytea NOT NULL, key bytea NOT NULL, is_used bigint NOT NULL,
            PRIMARY KEY (user_id, device_id, algorithm));
        CREATE TABLE IF NOT EXISTS local_homeserver.key_stock (
            user_id bytea, device_id bytea, position bigint NOT NULL, PRIMARY KEY (user_id, device_id));
        CREATE TABLE IF NOT EXISTS local_homeserver.cross_signing_key (
            user_id bytea, usage bytea, public_key bytea NOT NULL, key bytea NOT NULL, PRIMARY KEY (user_id, usage));
        CREATE TABLE IF NOT EXISTS local_homeserver.key_signature (
            signer_id bytea, user_id bytea, target bytea, key_id bytea, signature bytea NOT NULL, position bigint NOT NULL,
            PRIMARY KEY (signer_id, user_id, target, key_id));
        CREATE TABLE IF NOT EXISTS local_homeserver.device_list (
            user_id bytea PRIMARY KEY, position bigint NOT NULL, previous bigint NOT NULL, device_id bytea NOT NULL);
        CREATE TABLE IF NOT EXISTS local_homeserver.told (server_name bytea PRIMARY KEY, position bigint NOT NULL);
        CREATE TABLE IF NOT EXISTS local_homeserver.account_data (
            user_id bytea, type bytea, content bytea NOT NULL, position bigint NOT NULL, PRIMARY KEY (user_id, type));
        CREATE TABLE IF NOT EXISTS local_homeserver.dehydrated_device (
            user_id bytea PRIMARY KEY, device_id bytea NOT NULL, data bytea NOT NULL);
        CREATE TABLE IF NOT EXISTS local_homeserver.contact (user_id bytea, other_id bytea, PRIMARY KEY (user_id, other_id));
        """;
}
