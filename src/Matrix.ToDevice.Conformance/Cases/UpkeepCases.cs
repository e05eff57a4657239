namespace Matrix.ToDevice;

internal static class UpkeepCases
{
    private static readonly TimeSpan s_interval = TimeSpan.FromHours(1), s_moment = TimeSpan.FromMilliseconds(1);

    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.UpkeepOnce, A_task_is_taken_once_in_an_interval, StoreClaims.Upkeep),
        new(Promises.UpkeepOnce, A_task_is_due_again_after_its_interval, StoreClaims.Upkeep),
        new(Promises.UpkeepOnce, Of_many_who_take_a_task_at_once_one_gets_it, StoreClaims.Upkeep),
        new(Promises.UpkeepOnce, A_task_that_one_instance_has_taken_is_not_due_on_another, StoreClaims.Upkeep | StoreClaims.SeveralInstances),
    ];

    private static async Task A_task_is_taken_once_in_an_interval(CaseRun run)
    {
        var store = await run.OpenAsync();
        foreach (var task in (string[])["purge", "expiry"])
        {
            Check.That(await store.TryTakeAsync(task, s_interval), "Nobody has taken this task.");
            for (var n = 0; n < 2; n++) Check.That(!await store.TryTakeAsync(task, s_interval), "It was taken a moment ago, and its interval is an hour.");
        }
    }

    private static async Task A_task_is_due_again_after_its_interval(CaseRun run)
    {
        var store = await run.OpenAsync();
        Check.That(await store.TryTakeAsync("purge", s_interval), "Nobody has taken this task.");
        // By the clock of the store, which may be one that no case moves: then a short interval is over soon.
        run.Suspicion = " A task that was taken is due again when its interval is over.";
        while (!await store.TryTakeAsync("purge", s_moment)) run.Time.Advance(s_moment);
        Check.That(!await store.TryTakeAsync("purge", s_interval), "It was taken again a moment ago, and its interval is an hour.");
    }

    private static async Task Of_many_who_take_a_task_at_once_one_gets_it(CaseRun run)
    {
        var store = await run.OpenAsync();
        await OneGetsItAsync(store, store);
    }

    private static async Task A_task_that_one_instance_has_taken_is_not_due_on_another(CaseRun run)
    {
        var first = await run.OpenAsync();
        var second = await run.OpenSecondAsync(first);
        Check.That(await first.TryTakeAsync("purge", s_interval), "Nobody has taken this task.");
        Check.That(!await second.TryTakeAsync("purge", s_interval), "The other instance has taken it a moment ago, and its interval is an hour.");
        await OneGetsItAsync(first, second);
    }

    private static async Task OneGetsItAsync(Session first, Session second)
    {
        for (var round = 0; round < 10; round++)
        {
            var (task, taken) = ($"round {round}", 0);
            await CaseRun.ParallelAsync(Enumerable.Range(0, 8).Select(n => (Func<Task>)(async () =>
            {
                if (await (n % 2 == 0 ? first : second).TryTakeAsync(task, s_interval)) Interlocked.Increment(ref taken);
            })));
            Check.Equal(taken, 1, "Of 8 who take a task at the same time, one gets it.");
        }
    }
}
