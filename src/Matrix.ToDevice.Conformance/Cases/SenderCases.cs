using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

/// <summary>
/// Who sends to a destination. Leases run by the store's clock, which need not be the case's: they last an hour, or no time
/// at all.
/// </summary>
internal static class SenderCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.OneSender, A_destination_that_was_taken_is_given_to_nobody, StoreClaims.Outbox),
        new(Promises.OneSender, A_destination_whose_time_has_run_out_can_be_taken, StoreClaims.Outbox),
        new(Promises.OneSender, A_destination_can_be_taken_after_its_release_and_the_pause, StoreClaims.Outbox),
        new(Promises.OneSender, Only_destinations_with_EDUs_can_be_taken, StoreClaims.Outbox),
        new(Promises.OneSender, A_destination_that_is_taken_until_a_time_that_is_too_far_away_can_be_taken, StoreClaims.Outbox),
        new(Promises.OneSender, Of_many_holders_at_once_each_destination_has_one, StoreClaims.Outbox),
        new(Promises.RepeatedAsTheyWere, What_the_last_holder_noted_comes_with_the_destination, StoreClaims.Outbox),
        new(Promises.RepeatedAsTheyWere, Who_has_lost_a_destination_notes_nothing, StoreClaims.Outbox),
        new(Promises.HoldUpNoOthers, Destinations_that_have_failed_come_last, StoreClaims.Outbox),
        new(Promises.HoldUpNoOthers, No_more_failing_destinations_are_taken_than_asked_for, StoreClaims.Outbox),
        new(Promises.HoldUpNoOthers, Destinations_that_are_named_are_taken_only_if_they_could_be, StoreClaims.Outbox),
        new(Promises.HoldUpNoOthers, Destinations_that_have_been_free_for_longer_come_first, StoreClaims.Outbox),
        new(Promises.HoldUpNoOthers, A_destination_is_free_since_its_time_was_over_or_something_waits, StoreClaims.Outbox),
        new(Promises.EmptyForgotten, Nothing_is_kept_of_a_destination_for_which_nothing_waits, StoreClaims.Outbox),
    ];

    internal static readonly TimeSpan Hour = TimeSpan.FromHours(1), Day = TimeSpan.FromDays(1);

    private static async Task A_destination_that_was_taken_is_given_to_nobody(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs3", "m1"), Edu("hs4", "m1"));
        var first = await store.TakeAsync("one", limit: 2);
        Check.Equal(first.Count, 2, "Three destinations are free, and two are asked for.");
        var second = await store.TakeAsync("two");
        Check.Same(
            [.. first.Concat(second).Order(StringComparer.Ordinal)], ["hs2", "hs3", "hs4"],
            "A destination that was taken is not given to another holder: each of the three is taken once.");

        await store.DeliverEdusAsync("t2", Edu("hs2", "m2"), Edu("hs3", "m2"), Edu("hs4", "m2"));
        foreach (var edus in first.Concat(second)) await store.RemoveEdusAsync(edus, await store.EdusAsync(edus, 1));
        foreach (var holder in (string[])["one", "two", "three"])
        {
            Check.Empty(
                await store.TakeAsync(holder),
                $"All destinations are taken: neither new EDUs nor the removal of those that were sent free them, not even for who has them (\"{holder}\" asks).");
        }

        foreach (var destination in first) Check.That(await store.RenewAsync(destination, "one", Hour, 1), "Its holder keeps a destination for longer.");
        Check.Empty(await store.TakeAsync("two"), "A destination that its holder keeps for longer is given to nobody.");
    }

    private static async Task A_destination_whose_time_has_run_out_can_be_taken(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"));
        Check.Same(await store.TakeAsync("one", TimeSpan.Zero), ["hs2"], "It is free.");
        Check.Same(await store.TakeAsync("two"), ["hs2"], "The time of the first holder has run out, as it does when a host has died.");
        Check.Empty(await store.TakeAsync("one"), "The second holder has it for an hour.");

        Check.That(await store.RenewAsync("hs2", "two", TimeSpan.Zero, 0), "The holder has it still.");
        Check.Same(await store.TakeAsync("three"), ["hs2"], "Its time counts from when it was renewed: none is left.");
    }

    private static async Task A_destination_can_be_taken_after_its_release_and_the_pause(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs3", "m1"));
        await store.TakeAsync("one");
        await store.ReleaseAsync("hs2", "one", 0, TimeSpan.Zero);
        await store.ReleaseAsync("hs3", "one", 1, Hour);
        Check.That(!await store.RenewAsync("hs2", "one", Hour, 1), "What was released is not this holder's any more.");
        Check.Same(
            await store.TakeAsync("two"), ["hs2"],
            "A destination that was released can be taken at once, but nobody may take one during the pause that its holder has set.");
        await store.DeliverEdusAsync("t2", Edu("hs3", "m2"));
        Check.Empty(await store.TakeAsync("three"), "A new EDU does not end the pause: a destination that is down is left alone.");

        await store.ReleaseAsync("hs2", "one", 0, TimeSpan.Zero);
        Check.Empty(await store.TakeAsync("three"), "A release by somebody who is not its holder any more does nothing.");
        await store.ReleaseAsync("nobody", "one", 0, TimeSpan.Zero);
        Check.That(!await store.RenewAsync("nobody", "one", Hour, 1), "Nobody has taken this destination.");
    }

    private static async Task Only_destinations_with_EDUs_can_be_taken(CaseRun run)
    {
        var store = await run.OpenAsync();
        Check.Empty(await store.TakeAsync("one"), "No EDU waits for anybody.");
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs3", "m1"));
        await store.RemoveEdusAsync("hs2", await store.EdusAsync("hs2", 1));
        Check.Same(await store.TakeAsync("one"), ["hs3"], "Nothing waits for the other destination any more.");

        // While it is taken, it is emptied and gets something new.
        await store.RemoveEdusAsync("hs3", await store.EdusAsync("hs3", 1));
        await store.DeliverEdusAsync("t2", Edu("hs3", "m2"));
        Check.Empty(await store.TakeAsync("two"), "A destination that is emptied stays with its holder, who may have more to send soon.");
        await store.RemoveEdusAsync("hs3", await store.EdusAsync("hs3", 1));
        await store.ReleaseAsync("hs3", "one", 0, TimeSpan.Zero);
        Check.Empty(await store.TakeAsync("two"), "Nothing waits for either.");

        await store.DeliverEdusAsync("t3", Edu("hs2", "m3"), Edu("hs3", "m3"));
        Check.Same(
            [.. (await store.TakeAsync("two")).Order(StringComparer.Ordinal)], ["hs2", "hs3"], "A destination that gets something new can be taken again.");
    }

    private static async Task A_destination_that_is_taken_until_a_time_that_is_too_far_away_can_be_taken(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs3", "m1"), Edu("hs4", "m1"), Edu("hs5", "m1"));
        await store.TakeAsync("one", 2 * Hour);
        await store.ReleaseAsync("hs3", "one", 0, 2 * Hour);
        await store.ReleaseAsync("hs4", "one", 1, 2 * Hour);
        Check.Empty(await store.TakeAsync("two", longestPause: 3 * Hour), "Two hours are no more than the longest that a destination may be left alone.");
        // To the store, a clock that was set back by an hour and times that were set an hour too far are the same.
        Check.That(await store.RenewAsync("hs5", "one", Hour / 2, 1), "Its holder has it.");
        Check.Same(
            [.. (await store.TakeAsync("two", longestPause: Hour)).Order(StringComparer.Ordinal)], ["hs2", "hs3", "hs4"],
            "Who is taken, or left alone, for longer than that from now is free: after a failover to a machine whose clock is behind, nobody "
            + "waits until the times of the old clock have come. One that is taken for a shorter time is not.");
        Check.That(!await store.RenewAsync("hs2", "one", Hour, 1), "Somebody else has taken it.");
        Check.Empty(await store.TakeAsync("three", longestPause: Hour), "They are taken now, for an hour from now.");
    }

    private static async Task Destinations_that_have_failed_come_last(CaseRun run)
    {
        var store = await run.OpenAsync();
        await FailAsync(run, store, "hs2", "hs3");
        foreach (var name in (string[])["hs9", "hs8"]) await DeliverAsync(run, store, name);
        Check.Same(
            await store.TakeAsync("one", limit: 3), ["hs9", "hs8", "hs2"],
            "Those that have not failed come first, however long the others have been free: a server that is down keeps nobody waiting.");
        Check.Same(await store.TakeAsync("one"), ["hs3"], "Those that have failed are tried again.");

        await store.ReleaseAsync("hs3", "one", 0, TimeSpan.Zero);
        run.Time.Advance(TimeSpan.FromSeconds(1));
        await store.ReleaseAsync("hs8", "one", 1, TimeSpan.Zero);
        await store.ReleaseAsync("hs9", "one", 0, TimeSpan.Zero);
        Check.Same(await store.TakeAsync("one"), ["hs3", "hs9", "hs8"], "It is the last release that tells: after a success, a destination has not failed.");
    }

    private static async Task No_more_failing_destinations_are_taken_than_asked_for(CaseRun run)
    {
        var store = await run.OpenAsync();
        await FailAsync(run, store, "hs2", "hs3", "hs4");
        await DeliverAsync(run, store, "hs9");
        Check.Same(await store.TakeAsync("one", TimeSpan.Zero, limit: 3, failingLimit: 0), ["hs9"], "None that has failed was asked for.");
        run.Time.Advance(TimeSpan.FromSeconds(1));
        Check.Same(
            await store.TakeAsync("one", TimeSpan.Zero, limit: 3, failingLimit: 1), ["hs9", "hs2"],
            "One that has failed was asked for: the others keep their places for those that have not.");
        run.Time.Advance(TimeSpan.FromSeconds(1));
        Check.Same(
            await store.TakeAsync("one", limit: 2, failingLimit: 2), ["hs9", "hs3"],
            "No more than asked for in all, and of those that have failed the one that has been free for the longest time.");
    }

    private static async Task Destinations_that_are_named_are_taken_only_if_they_could_be(CaseRun run)
    {
        var store = await run.OpenAsync();
        await FailAsync(run, store, "hs2");
        foreach (var name in (string[])["hs3", "hs4", "hs5"]) await DeliverAsync(run, store, name);
        Check.Same(await store.TakeAsync("one", limit: 1), ["hs3"], "It has been free for the longest time.");
        var named = await store.TakeTheseAsync("two", "hs2", "hs3", "hs4", "nobody");
        Check.That(
            named is [] or ["hs4"], "A store may give those that are asked for before their turn, but only what has something waiting, has not failed and is free.");
        Check.Same(
            [.. named.Concat(await store.TakeAsync("three")).Order(StringComparer.Ordinal)], ["hs2", "hs4", "hs5"],
            "Each is given once, in whatever way it was asked for.");
    }

    private static async Task DeliverAsync(CaseRun run, Session store, string name)
    {
        await store.DeliverEdusAsync($"t{Guid.NewGuid()}", Edu(name, "m1"));
        run.Time.Advance(TimeSpan.FromSeconds(1));
    }

    /// <summary>They have something waiting, have failed, and are free again, in this order.</summary>
    private static async Task FailAsync(CaseRun run, Session store, params string[] names)
    {
        foreach (var name in names) await store.DeliverEdusAsync($"t {name}", Edu(name, "m1"));
        Check.Equal((await store.TakeAsync("one")).Count, names.Length, "All are free.");
        foreach (var name in names)
        {
            await store.ReleaseAsync(name, "one", 1, TimeSpan.Zero);
            run.Time.Advance(TimeSpan.FromSeconds(1));
        }
    }

    private static async Task A_destination_is_free_since_its_time_was_over_or_something_waits(CaseRun run)
    {
        var store = await run.OpenAsync();
        foreach (var name in (string[])["more", "renewed", "emptied"]) await DeliverAsync(run, store, name);
        Check.Equal((await store.TakeAsync("one", TimeSpan.Zero)).Count, 3, "All are free.");
        run.Time.Advance(TimeSpan.FromSeconds(1));
        await DeliverAsync(run, store, "first");
        await DeliverAsync(run, store, "more");
        Check.That(await store.RenewAsync("renewed", "one", TimeSpan.Zero, 0), "Nobody else has taken it.");
        run.Time.Advance(TimeSpan.FromSeconds(1));
        await DeliverAsync(run, store, "second");
        await store.RemoveEdusAsync("emptied", await store.EdusAsync("emptied"));
        await DeliverAsync(run, store, "emptied");
        await DeliverAsync(run, store, "third");
        Check.Same(
            await store.TakeAsync("two"), ["more", "first", "renewed", "second", "emptied", "third"],
            "A destination is free since the time was over for which it was taken, or since something waits for it, if that is later: what was emptied and gets "
            + "something new stands behind those that have waited; what has something waiting and gets more keeps its place.");
    }

    private static async Task Nothing_is_kept_of_a_destination_for_which_nothing_waits(CaseRun run)
    {
        var store = await run.OpenAsync();
        var holder = 0;
        await DeliverAsync(run, store, "hs2");
        Check.Equal((await store.TakeAsync("0")).Count, 1, "It is free.");
        Check.That(await store.RenewAsync("hs2", "0", Hour, (await store.EdusAsync("hs2"))[0].Position), "Its holder has it.");
        await store.ReleaseAsync("hs2", "0", 3, Hour);
        await store.RemoveEdusAsync("hs2", await store.EdusAsync("hs2"));
        await IsNewAsync("its EDUs were removed while it was left alone");

        await store.RemoveEdusAsync("hs2", await store.EdusAsync("hs2"));
        await store.ReleaseAsync("hs2", $"{holder}", 2, Hour);
        await IsNewAsync("its EDUs were removed by its holder, who then released it");

        Check.That(await store.RenewAsync("hs2", $"{holder}", TimeSpan.Zero, (await store.EdusAsync("hs2"))[0].Position), "Its holder has it.");
        await store.RemoveEdusAsync("hs2", await store.EdusAsync("hs2"));
        Check.Empty(await store.TakeAsync("another"), "Nothing waits.");
        await IsNewAsync("its EDUs were removed by its holder, who then never came back");

        async Task IsNewAsync(string when)
        {
            await DeliverAsync(run, store, "hs2");
            var taken = await store.AcquireAsync($"{++holder}");
            Check.Same(
                [.. taken.Select(lease => $"{lease}")], [$"{new OutboxLease("hs2", 0, 0)}"],
                $"Nothing waited for a destination and nobody had taken it: {when}. Then neither its pause nor what was noted of it is kept, since anybody can name one.");
        }
    }

    private static async Task Destinations_that_have_been_free_for_longer_come_first(CaseRun run)
    {
        var store = await run.OpenAsync();
        List<string> names = ["hs3", "hs2", "hs5", "hs4"];
        foreach (var name in names) await DeliverAsync(name);
        var turns = new List<string>();
        for (var turn = 0; turn < 2 * names.Count; turn++)
        {
            var name = (await store.TakeAsync("one", limit: 1)).SingleOrDefault() ?? "none";
            turns.Add(name);
            // It has something new at once: before it is free again, or when it was emptied and is free.
            var isEmptied = turn % 2 == 0 && name != "none";
            if (isEmptied) await store.RemoveEdusAsync(name, await store.EdusAsync(name));
            else await DeliverAsync(name);
            await store.ReleaseAsync(name, "one", 0, TimeSpan.Zero);
            if (isEmptied) await DeliverAsync(name);
            run.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Check.Equal(
            turns.Take(names.Count).Distinct().Count(), names.Count, "Whoever has waited for the longest comes first: after four turns all four have had one.");
        Check.Same(
            turns[names.Count..], turns[..names.Count],
            "The one that was released first comes first again: one that always has something to send keeps nobody waiting.");

        async Task DeliverAsync(string name)
        {
            await store.DeliverEdusAsync($"t{Guid.NewGuid()}", Edu(name, "m1"));
            run.Time.Advance(TimeSpan.FromSeconds(1));
        }
    }

    private static async Task Of_many_holders_at_once_each_destination_has_one(CaseRun run)
    {
        var store = await run.OpenAsync();
        await TakeAtOnceAsync([store]);
    }

    /// <summary>Several holders take what there is at the same time, round after round.</summary>
    internal static async Task TakeAtOnceAsync(Session[] stores)
    {
        const int Rounds = 5, Destinations = 12, Holders = 6;
        string[] names = [.. Enumerable.Range(0, Destinations).Select(n => $"hs{n}")];
        await stores[0].DeliverEdusAsync("t1", [.. names.Select(name => Edu(name, "m1"))]);
        for (var round = 0; round < Rounds; round++)
        {
            var taken = new List<string>[Holders];
            await CaseRun.ParallelAsync(Enumerable.Range(0, Holders).Select<int, Func<Task>>(holder => async () =>
                taken[holder] = await stores[holder % stores.Length].TakeAsync($"{holder}", limit: 5)));
            // One that was passed over because somebody else was looking at it is found by the next who looks.
            var rest = await stores[0].TakeAsync("last");
            Check.Same(
                [.. taken.SelectMany(some => some).Concat(rest).Order(StringComparer.Ordinal)], [.. names.Order(StringComparer.Ordinal)],
                "Of holders that ask at the same time, each destination is given to one: looking for free ones and taking them must be one step.");
            for (var holder = 0; holder < Holders; holder++)
                foreach (var name in taken[holder]) await stores[0].ReleaseAsync(name, $"{holder}", 0, TimeSpan.Zero);
            foreach (var name in rest) await stores[0].ReleaseAsync(name, "last", 0, TimeSpan.Zero);
        }
    }

    private static async Task What_the_last_holder_noted_comes_with_the_destination(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs2", "m2"), Edu("hs2", "m3"));
        var edus = await store.EdusAsync("hs2");
        Check.Equal(
            await store.TakeOneAsync("one"), new OutboxLease("hs2", 0, 0), "Nobody has tried anything yet, and nothing has failed.");
        Check.That(await store.RenewAsync("hs2", "one", Hour, edus[1].Position), "The holder has it.");
        await store.ReleaseAsync("hs2", "one", 3, TimeSpan.Zero);
        Check.Equal(
            await store.TakeOneAsync("two"), new OutboxLease("hs2", edus[1].Position, 3),
            "What was being sent, and how often it has failed, comes to the next holder: it sends the same transaction again.");

        Check.That(await store.RenewAsync("hs2", "two", TimeSpan.Zero, edus[2].Position), "The holder has it.");
        Check.Equal(
            await store.TakeOneAsync("three"), new OutboxLease("hs2", edus[2].Position, 3),
            "The next holder knows what was being sent when the time of the last one has run out, too: that one may have died while it was sending.");

        await store.RemoveEdusAsync("hs2", edus);
        await store.DeliverEdusAsync("t2", Edu("hs2", "m4"));
        await store.ReleaseAsync("hs2", "three", 0, TimeSpan.Zero);
        var lease = await store.TakeOneAsync("four");
        Check.Equal(lease.Failures, 0, "The last holder has noted a success.");
        Check.That(
            lease.SendingUpTo < (await store.EdusAsync("hs2"))[0].Position, $"Nothing of what waits was tried, but SendingUpTo is {lease.SendingUpTo}.");
    }

    private static async Task Who_has_lost_a_destination_notes_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs2", "m2"));
        var edus = await store.EdusAsync("hs2");
        await store.TakeAsync("one", TimeSpan.Zero);
        await store.TakeAsync("two");
        Check.That(await store.RenewAsync("hs2", "two", TimeSpan.Zero, edus[1].Position), "The holder has it.");
        Check.That(
            !await store.RenewAsync("hs2", "one", Hour, edus[0].Position), "The first holder's time had run out, and the second has taken the destination.");
        await store.ReleaseAsync("hs2", "one", 7, Hour);
        Check.Equal(
            await store.TakeOneAsync("three"), new OutboxLease("hs2", edus[1].Position, 0),
            "What somebody says who has lost the destination is not noted: it would make a transaction of other EDUs than were sent.");
    }
}
