using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

/// <summary>Two instances over the same data, as two hosts have them.</summary>
internal static class InstanceCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.Hosts, Of_duplicates_on_two_instances_one_is_committed, StoreClaims.SeveralInstances),
        new(Promises.Hosts, Positions_follow_the_commits_of_all_instances, StoreClaims.SeveralInstances),
        new(Promises.Hosts, Readers_skip_nothing_while_many_write_on_two_instances, StoreClaims.SeveralInstances),
        new(Promises.Hosts, A_reader_on_another_instance_sees_no_part_of_a_send, StoreClaims.SeveralInstances),
        new(Promises.Hosts, An_acknowledgement_counts_on_all_instances, StoreClaims.SeveralInstances),
        new(Promises.Hosts, A_removal_on_another_instance_refuses_a_send_once, StoreClaims.SeveralInstances),
        new(Promises.Hosts, EDUs_of_all_instances_stand_in_one_order, StoreClaims.SeveralInstances | StoreClaims.Outbox),
        new(Promises.Hosts, A_destination_that_one_instance_has_taken_is_not_given_to_another, StoreClaims.SeveralInstances | StoreClaims.Outbox),
        new(Promises.Hosts, Sends_and_removals_in_opposite_orders_on_two_instances_hold_up_nobody, StoreClaims.SeveralInstances),
        new(Promises.Hosts, EDUs_in_opposite_orders_on_two_instances_all_arrive, StoreClaims.SeveralInstances | StoreClaims.Outbox),
    ];

    private static async Task Of_duplicates_on_two_instances_one_is_committed(CaseRun run)
    {
        const int Rounds = 10;
        var (one, two) = await OpenTwoAsync(run);
        var first = await one.PrepareAsync("t", "1", Bob);
        var second = await two.PrepareAsync("t", "2", Bob);
        await two.CommitAsync(second, CommitResult.Committed, "The first of two to commit wins, on whichever instance.");
        await one.CommitAsync(first, CommitResult.AlreadyCommitted, "The other instance has committed this key: records belong to the data, not to an instance.");

        for (var round = 0; round < Rounds; round++)
        {
            var results = new CommitResult[6];
            await CaseRun.ParallelAsync(Enumerable.Range(0, results.Length).Select<int, Func<Task>>(i => async () =>
                results[i] = await (i % 2 == 0 ? one : two).SendAsync($"t{round}", $"{round}", Bob)));
            Check.Equal(
                results.Count(result => result == CommitResult.Committed), 1,
                "Of duplicates that commit at the same time on two instances exactly one is Committed.");
        }

        foreach (var store in (Session[])[one, two])
        {
            Check.Same(
                await store.ContentsAsync(Bob), ["2", .. Enumerable.Range(0, Rounds).Select(round => $"{round}")],
                "Both instances see the same inbox, in which each transaction is once.");
        }
    }

    private static async Task Positions_follow_the_commits_of_all_instances(CaseRun run)
    {
        var (one, two) = await OpenTwoAsync(run);
        await OrderCases.SendSlowlyAsync(slowOn: one, fastOn: two, readOn: one);
        for (var n = 3; n <= 8; n++)
        {
            await (n % 2 == 0 ? one : two).DeliverAsync($"t{n}", $"{n}", Bob);
            Check.Equal(
                (await (n % 2 == 0 ? two : one).ReadAsync(Bob))[^1].Position.Sequence, n,
                "Instances that take turns count on from each other, and each sees at once what the other has committed.");
        }
    }

    private static async Task Readers_skip_nothing_while_many_write_on_two_instances(CaseRun run)
    {
        var (one, two) = await OpenTwoAsync(run);
        await OrderCases.ReadWhileManyWriteAsync([one, two], [one, two]);
    }

    private static async Task A_reader_on_another_instance_sees_no_part_of_a_send(CaseRun run)
    {
        var (one, two) = await OpenTwoAsync(run);
        await CommitCases.WatchSendsAsync(writer: one, reader: two);
    }

    private static async Task An_acknowledgement_counts_on_all_instances(CaseRun run)
    {
        var (one, two) = await OpenTwoAsync(run);
        for (var n = 1; n <= 3; n++) await one.DeliverAsync($"t{n}", $"{n}", Bob);
        var page = await two.ReadAsync(Bob);
        await one.ReadAsync(Bob);
        Check.Equal(await one.AcknowledgeAsync(Bob, page[1].Position), 2, "A position that one instance handed out acknowledges on another.");
        foreach (var store in (Session[])[one, two])
            Check.Same(await store.ContentsAsync(Bob), ["3"], "What was acknowledged on one instance is gone on all: its device may ask any of them next.");
        Check.Equal(await two.AcknowledgeAsync(Bob, page[1].Position), 0, "It was acknowledged before, on the other instance.");
    }

    private static async Task A_removal_on_another_instance_refuses_a_send_once(CaseRun run)
    {
        var (one, two) = await OpenTwoAsync(run);
        await one.DeliverAsync("t0", "0", Bob);
        await two.DeliverAsync("t1", "1", Bob);
        var open = await one.PrepareAsync("t2", "2", Bob, Carol);
        await two.RemoveDeviceAsync(Bob);
        await one.CommitAsync(
            open, CommitResult.DeviceRemoved, "The recipient was removed through another instance while this send was open: removals belong to the data.");
        foreach (var store in (Session[])[one, two])
        {
            Check.Empty(await store.ContentsAsync(Bob), "The removed device has no messages, on any instance.");
            Check.Empty(await store.ContentsAsync(Carol), "The refused send delivers to nobody.");
        }

        Check.Equal(
            await one.SendAsync("t2", "3", Bob, Carol), CommitResult.Committed,
            "The refusal has taught this instance about the removal: its second attempt succeeds.");
        Check.Same(await two.ContentsAsync(Bob), ["3"], "The later device has what was sent to it.");

        // Of the sender, and with an instance that has not heard of it from a refusal.
        await two.RemoveDeviceAsync(Alice);
        var results = new List<CommitResult>();
        for (var attempt = 0; attempt < 2 && !results.Contains(CommitResult.Committed); attempt++) results.Add(await one.SendAsync("t1", "4", Bob));
        Check.Equal(
            results[^1], CommitResult.Committed,
            "The records of a device that was removed on one instance are gone on all; a send is refused once at most for a removal that is known then.");
    }

    private static async Task EDUs_of_all_instances_stand_in_one_order(CaseRun run)
    {
        var (one, two) = await OpenTwoAsync(run);
        await OutboxCases.SendSlowlyAsync(slowOn: one, fastOn: two, readOn: two);
        Check.Same(await one.DestinationsAsync(), ["hs2", "hs3"], "Every instance sees the EDUs of all.");
    }

    private static async Task A_destination_that_one_instance_has_taken_is_not_given_to_another(CaseRun run)
    {
        var (one, two) = await OpenTwoAsync(run);
        await one.DeliverEdusAsync("t0", Edu("other", "m1"), Edu("other", "m2"));
        var position = (await two.EdusAsync("other"))[0].Position;
        Check.Same(await one.TakeAsync("one"), ["other"], "It is free.");
        Check.Empty(await two.TakeAsync("two"), "Another instance has taken the destination: two senders would send everything twice.");
        await two.DeliverEdusAsync("t2", Edu("other", "m3"));
        Check.Empty(await two.TakeAsync("two"), "A new EDU through another instance does not free it.");

        Check.That(await one.RenewAsync("other", "one", TimeSpan.Zero, position), "The holder has it.");
        Check.Equal(
            await two.TakeOneAsync("two"), new OutboxLease("other", position, 0),
            "When the time of one instance has run out, another takes over, and knows what was being sent.");
        Check.That(!await one.RenewAsync("other", "one", SenderCases.Hour, position), "The first instance is told that it has lost the destination.");
        await SenderCases.TakeAtOnceAsync([one, two]);
    }

    private static async Task Sends_and_removals_in_opposite_orders_on_two_instances_hold_up_nobody(CaseRun run)
    {
        var (one, two) = await OpenTwoAsync(run);
        await LockOrderCases.SendAsync(run, [one, two]);
        await LockOrderCases.RemoveAsync(run, [one, two]);
    }

    private static async Task EDUs_in_opposite_orders_on_two_instances_all_arrive(CaseRun run)
    {
        var (one, two) = await OpenTwoAsync(run);
        await LockOrderCases.SendEdusAsync(run, [one, two]);
    }

    private static async Task<(Session One, Session Two)> OpenTwoAsync(CaseRun run)
    {
        var one = await run.OpenAsync();
        return (one, await run.OpenSecondAsync(one));
    }
}
