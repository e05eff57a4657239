namespace Matrix.ToDevice.Bench;

/// <summary>Bytes on disk for each row with its indexes, in both layouts: written in random order, as users come.</summary>
internal static class RowSizes
{
    private const int Rows = 100_000;

    // A user ID of 24 characters and a device ID of ten.
    private const string UserId = "format('@user%s:example.org', lpad(i::text, 7, '0'))", DeviceId = "'ABCDEFGHIJ'";
    private const string Bucket = $"get_byte(sha256({UserId}::bytea), 0)";

    public static async Task PrintAsync(DatabaseNode server, string schema)
    {
        Figures.Print("\n| bytes on disk for each of {0:N0} | one machine | many |", Rows);
        Figures.Print("|---|---|---|");
        foreach (var (name, table, one, many) in (IReadOnlyList<(string, string, string, string)>)
        [
            ("device", "device", "user_id, device_id, last_sequence", "bucket, user_id, device_id, last_sequence, acknowledged, removal, last_send"),
            ("message of 250 bytes", "message", Message, $"bucket, {Message}"),
            ("message of 1,024 bytes", "message", Message, $"bucket, {Message}"),
            ("transaction record", "transaction", Record, $"bucket, {Record}"),
            ("mark of a sending device in a bucket", "delivered", "", "bucket, source, user_id, device_id, last"),
        ])
        {
            var bytes = name.Contains("1,024", StringComparison.Ordinal) ? 1024 : 250;
            Figures.Print(
                "| {0} | {1} | {2:N0} |", name,
                one == "" ? "" : FormattableString.Invariant($"{await SizeAsync($"{schema}_one", table, one, bytes):N0}"),
                await SizeAsync($"{schema}_ready", table, many, bytes));
        }

        async Task<double> SizeAsync(string layout, string table, string columns, int bytes)
        {
            var values = string.Join(", ", columns.Split(", ").Select(column => column switch
            {
                "user_id" => UserId,
                "device_id" => DeviceId,
                "bucket" => Bucket,
                "source" => "i % 256",
                "key" => "gen_random_uuid()",
                "sender" => "'@sender:example.org'",
                "event_type" => "'m.room.encrypted'",
                "content" => $"substr(decode(repeat(md5(i::text), {bytes / 16 + 1}), 'hex'), 1, {bytes})",
                "committed_at" or "last_used" => "now() + i * interval '1 millisecond'",
                _ => "i",
            }));
            await server.ExecuteAsync($"""
                TRUNCATE {layout}.to_device_{table};
                INSERT INTO {layout}.to_device_{table} ({columns}) SELECT {values} FROM generate_series(1, {Rows}) i ORDER BY random();
                """);
            return await server.NumberAsync($"SELECT pg_total_relation_size('{layout}.to_device_{table}')") / Rows;
        }
    }

    private const string Message = "user_id, device_id, sequence, send_id, sender, event_type, content, committed_at";
    private const string Record = "user_id, device_id, key, commit_id, last_used";
}
