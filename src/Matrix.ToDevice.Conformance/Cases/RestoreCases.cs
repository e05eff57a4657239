using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

/// <summary>A database that has lost its last commits gives their positions out again: what was known of them is about others now.</summary>
internal static class RestoreCases
{
    public static async Task A_position_that_a_restored_backup_has_lost_deletes_nothing_new(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob);
        store = await run.SaveAsync(store);
        for (var n = 2; n <= 4; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var lost = await store.ReadAsync(Bob);
        await store.AcknowledgeAsync(Bob, lost[2].Position);
        store = await run.RestoreAsync(store);
        Check.Same(await store.ContentsAsync(Bob), ["1"], "RestoreAsync puts back what SaveAsync has kept.");

        await store.DeliverAsync("t5", "5", Bob);
        Check.Equal(await store.AcknowledgeAsync(Bob, lost[^1].Position), 0, "The message with this position is lost: its device acknowledges nothing else with it.");
        for (var n = 6; n <= 8; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        Check.Equal(await store.AcknowledgeAsync(Bob, lost[^1].Position), 0, "Another message has the number of the lost one by now.");
        Check.Same(
            await store.ContentsAsync(Bob), ["1", "5", "6", "7", "8"],
            "What was handed out and acknowledged in a history that is lost neither deletes nor hides a message of this one.");
        Check.Equal(await store.AcknowledgeAsync(Bob, lost[0].Position), 1, "What was in the backup is the same message still.");
    }

    public static async Task A_late_answer_for_what_a_restored_backup_has_lost_removes_nothing_new(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"));
        store = await run.SaveAsync(store);
        for (var n = 2; n <= 4; n++) await store.DeliverEdusAsync($"t{n}", Edu("hs2", $"m{n}"));
        var lost = await store.EdusAsync("hs2");
        await store.RemoveEdusAsync("hs2", [.. lost.Take(3)]);
        store = await run.RestoreAsync(store);
        Check.Same(await store.MessageIdsAsync("hs2"), ["m1"], "RestoreAsync puts back what SaveAsync has kept.");

        await store.DeliverEdusAsync("t5", Edu("hs2", "m5"));
        await store.RemoveEdusAsync("hs2", [.. lost.Skip(1)]);
        for (var n = 6; n <= 8; n++) await store.DeliverEdusAsync($"t{n}", Edu("hs2", $"m{n}"));
        await store.RemoveEdusAsync("hs2", [.. lost.Skip(1)]);
        Check.Same(
            await store.MessageIdsAsync("hs2"), ["m1", "m5", "m6", "m7", "m8"],
            "The destination has received EDUs of a history that is lost: that neither removes nor hides those of this one, wherever they stand.");
        await store.RemoveEdusAsync("hs2", lost);
        Check.Same(await store.MessageIdsAsync("hs2"), ["m5", "m6", "m7", "m8"], "What was in the backup is the same EDU still.");
        Check.Same(await store.TakeAsync("one"), ["hs2"], "Something waits: the destination can be taken.");
    }
}
