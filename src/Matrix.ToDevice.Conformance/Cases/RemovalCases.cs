using System.Globalization;
using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class RemovalCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.RemovedDevices, A_send_that_looked_its_recipient_up_before_the_removal_is_refused),
        new(Promises.RemovedDevices, A_send_that_looked_its_sender_up_before_the_removal_is_refused),
        new(Promises.RemovedDevices, A_device_that_never_got_a_message_is_guarded_too),
        new(Promises.RemovedDevices, A_refused_send_succeeds_when_it_has_looked_up_again),
        new(Promises.RemovedDevices, The_removal_of_another_device_refuses_nothing),
        new(Promises.RemovedDevices, Known_removals_never_go_down),
        new(Promises.RemovedDevices, No_send_slips_past_a_removal),
    ];

    private static async Task A_send_that_looked_its_recipient_up_before_the_removal_is_refused(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t0", "0", Bob);
        var lookedUp = store.KnownRemovals;
        var open = await store.PrepareAsync("t1", "1", Carol, Bob);
        await store.RemoveDeviceAsync(Bob);
        await RefusedAsync(store, open, "A recipient was removed after AppendAsync: the commit has to see it.");
        Check.Equal(
            await store.SendAsync(Key("t2"), [Message(Bob, "2")], lookedUp), CommitResult.DeviceRemoved,
            "A recipient was removed between the look-up and BeginAsync: the knownRemovals that BeginAsync got tell so.");
        Check.Empty(await store.ContentsAsync(Bob), "A message to the removed device must not turn up with a later device of its ID.");
    }

    private static async Task A_send_that_looked_its_sender_up_before_the_removal_is_refused(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t0", "0", Bob);
        var lookedUp = store.KnownRemovals;
        var open = await store.PrepareAsync("t1", "1", Bob);
        await store.RemoveDeviceAsync(Alice);
        await RefusedAsync(store, open, "The sending device was removed while its send was on its way: it has no right to send any more.");
        Check.Equal(
            await store.SendAsync(Key("t2"), [Message(Bob, "2")], lookedUp), CommitResult.DeviceRemoved,
            "The sending device was removed between the look-up and BeginAsync.");
        Check.Same(await store.ContentsAsync(Bob), ["0"], "What the removed device had under way is not delivered.");
        Check.Equal(
            await store.SendAsync("t1", "3", Bob), CommitResult.Committed, "No record of the removed device may stand in the way of a later one.");
    }

    private static async Task A_device_that_never_got_a_message_is_guarded_too(CaseRun run)
    {
        var store = await run.OpenAsync();
        var open = await store.PrepareAsync("t1", "1", Bob);
        await store.RemoveDeviceAsync(Bob);
        await RefusedAsync(
            store, open, "The removal of a device counts, also when the store had not heard of that device before.");
        Check.Empty(await store.ContentsAsync(Bob), "The refused send delivers nothing.");
    }

    private static async Task A_refused_send_succeeds_when_it_has_looked_up_again(CaseRun run)
    {
        var store = await run.OpenAsync();
        var open = await store.PrepareAsync("t1", "1", Bob);
        await store.RemoveDeviceAsync(Bob);
        await RefusedAsync(store, open, "A recipient was removed while the transaction was open.");
        Check.Equal(
            await store.SendAsync("t1", "2", Bob), CommitResult.Committed,
            "KnownRemovals includes the removal after a refusal at the latest: the second attempt, to a new device of that ID, succeeds.");
        Check.Same(await store.ContentsAsync(Bob), ["2"], "The later device gets the second attempt.");
    }

    private static async Task The_removal_of_another_device_refuses_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        var open = await store.PrepareAsync("t1", "1", Bob);
        await store.RemoveDeviceAsync(BobsOther);
        await store.RemoveDeviceAsync(new DeviceAddress(Carol.UserId, Bob.DeviceId));
        await store.RemoveDeviceAsync(new DeviceAddress(Alice.UserId, "A2"));
        await store.CommitAsync(
            open, CommitResult.Committed, "Neither its sender nor its recipient was removed: the removals of other devices do not concern a send.");
        Check.Same(await store.ContentsAsync(Bob), ["1"], "The send is delivered.");
    }

    private static async Task Known_removals_never_go_down(CaseRun run)
    {
        var store = await run.OpenAsync();
        var highest = store.KnownRemovals;
        for (var round = 1; round <= 3; round++)
        {
            var open = await store.PrepareAsync($"t{round}", "1", Bob);
            await store.RemoveDeviceAsync(Bob);
            await RefusedAsync(store, open, $"The device was removed for the {round}. time: each removal counts, not only the first of an ID.");
            Check.That(store.KnownRemovals > highest, $"KnownRemovals was {highest} before a removal that this instance has seen, and is {store.KnownRemovals} after it.");
            highest = store.KnownRemovals;
        }

        await store.PurgeAsync(run.Time.Advance(TimeSpan.FromDays(2)));
        Check.That(store.KnownRemovals >= highest, $"KnownRemovals went down from {highest} to {store.KnownRemovals} when old removals were purged.");
        var late = await store.PrepareAsync("late", "1", Bob);
        await store.RemoveDeviceAsync(Bob);
        await RefusedAsync(store, late, "A removal after a purge counts as well.");
    }

    /// <summary>
    /// A device is removed and created again, again and again, while others send to it as the endpoint does. A message
    /// carries the number of the life in which its recipient was looked up.
    /// </summary>
    private static async Task No_send_slips_past_a_removal(CaseRun run)
    {
        const int Lives = 25, Senders = 4;
        var store = await run.OpenAsync();
        var life = 1; // Negative: the device is gone from the host's list.
        var ended = false;
        var accepted = new int[Lives + 1];
        var finished = new int[Senders]; // The life in which each sender's last finished send was begun.
        await CaseRun.ParallelAsync([LiveAsync, .. Enumerable.Range(0, Senders).Select<int, Func<Task>>(sender => () => SendAsync(sender))]);

        var left = await store.ContentsAsync(Bob);
        Check.Same(
            left, [.. Enumerable.Repeat($"{Lives}", accepted[Lives])],
            "The last device gets every send that was committed in its life, and none of those that looked an earlier one up.");

        async Task LiveAsync()
        {
            try
            {
                for (var n = 1; n < Lives; n++)
                {
                    // A life lasts until nothing is under way any more that was begun in an earlier one: by then it is to be seen.
                    while (!(accepted[n] >= 3 && finished.All(begun => begun == n)) && !Volatile.Read(ref ended)) await Task.Yield();
                    await HoldsOnlyAsync(n);
                    // On a busy machine all of this keeps step, and the removal would always fall between two sends.
                    for (var turns = Random.Shared.Next(50); turns > 0; turns--) await Task.Yield();
                    Volatile.Write(ref life, -n);
                    await store.RemoveDeviceAsync(Bob);
                    Volatile.Write(ref life, n + 1);
                    await HoldsOnlyAsync(n + 1);
                }

                while (Volatile.Read(ref accepted[Lives]) < 3 && !Volatile.Read(ref ended)) await Task.Yield();
            }
            finally
            {
                Volatile.Write(ref ended, true);
            }
        }

        async Task HoldsOnlyAsync(int n)
        {
            foreach (var content in await store.ContentsAsync(Bob))
            {
                Check.That(
                    int.Parse(content, CultureInfo.InvariantCulture) == n,
                    "A message that was sent to a removed device turned up with the later device of its ID: look for removals in the step that commits.");
            }
        }

        async Task SendAsync(int sender)
        {
            try
            {
                var (refusals, refusedIn) = (0, 0);
                for (var n = 0; !Volatile.Read(ref ended); n++)
                {
                    var known = store.KnownRemovals;
                    var seen = Volatile.Read(ref life);
                    if (seen > 0)
                    {
                        var result = await store.SendAsync(
                            Key($"t{n}", new DeviceAddress($"@sender{sender}:hs1", "S")), [Message(Bob, $"{seen}")], known);
                        if (result == CommitResult.Committed) Interlocked.Increment(ref accepted[seen]);
                        Volatile.Write(ref finished[sender], seen);
                        refusals = result == CommitResult.DeviceRemoved && seen == refusedIn && Volatile.Read(ref life) == seen ? refusals + 1 : 0;
                        refusedIn = seen;
                        Check.That(
                            refusals < 10, "A send was refused 10 times for a device that was there all the time: KnownRemovals has to include a "
                            + "removal once it has refused a send.");
                    }

                    await Task.Yield();
                }
            }
            finally
            {
                Volatile.Write(ref ended, true);
            }
        }
    }

    private static ValueTask RefusedAsync(Session store, IToDeviceTransaction transaction, string reason) =>
        store.CommitAsync(transaction, CommitResult.DeviceRemoved, reason);
}
