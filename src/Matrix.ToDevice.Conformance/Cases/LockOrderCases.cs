using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

/// <summary>
/// Calls that name the same devices and destinations in different orders, at the same moment. A store that locks in the order of the call has
/// them wait for each other in a circle: its database ends one of them, or nobody does.
/// </summary>
internal static class LockOrderCases
{
    private const string Suspicion =
        " Do calls that lock the same rows in different orders wait for each other? Let all of them lock in one order, sorted and the sender among the "
        + "recipients, and devices, destinations and counters always one behind the other; or try a call again that was ended for it.";

    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.NobodyHeldUp, Sends_to_the_same_devices_in_opposite_orders_all_arrive),
        new(Promises.NobodyHeldUp, Removals_and_acknowledgements_beside_sends_hold_up_nobody),
        new(Promises.NobodyHeldUp, EDUs_for_the_same_servers_in_opposite_orders_all_arrive, StoreClaims.Outbox),
    ];

    private static async Task Sends_to_the_same_devices_in_opposite_orders_all_arrive(CaseRun run) => await SendAsync(run, [await run.OpenAsync()]);

    private static async Task Removals_and_acknowledgements_beside_sends_hold_up_nobody(CaseRun run) => await RemoveAsync(run, [await run.OpenAsync()]);

    private static async Task EDUs_for_the_same_servers_in_opposite_orders_all_arrive(CaseRun run) => await SendEdusAsync(run, [await run.OpenAsync()]);

    /// <summary>Each sends to all devices, its own among them; the first of one is the last of another.</summary>
    internal static async Task SendAsync(CaseRun run, Session[] stores)
    {
        const int Rounds = 15, Senders = 8;
        var devices = Devices(40);
        run.Suspicion = Suspicion;
        for (var round = 0; round < Rounds; round++)
        {
            await CaseRun.ParallelAsync(Enumerable.Range(0, Senders).Select<int, Func<Task>>(n => async () => Check.Equal(
                await stores[n % stores.Length].SendAsync(Key($"{round}", InOrder(devices, n)[0]), Messages($"{round}.{n}", InOrder(devices, n + 1))), CommitResult.Committed,
                "A new transaction has to be committed, whoever sends to the same devices at the same moment.")));
        }

        string[] sent = [.. Enumerable.Range(0, Rounds).SelectMany(round => Enumerable.Range(0, Senders).Select(n => $"{round}.{n}"))];
        foreach (var device in devices)
        {
            Check.Same(
                Sorted(await stores[0].ContentsAsync(device)), Sorted(sent),
                $"Every send was committed, so each is in the inbox of {device}, once: one that a database has ended to let another through has to be made again.");
        }
    }

    /// <summary>Sends to all, while each of the devices is removed or acknowledges what it has.</summary>
    internal static async Task RemoveAsync(CaseRun run, Session[] stores)
    {
        const int Rounds = 15, Senders = 4, Attempts = 20;
        var devices = Devices(6);
        run.Suspicion = Suspicion;
        for (var round = 0; round < Rounds; round++)
        {
            await CaseRun.ParallelAsync(
            [
                .. Enumerable.Range(0, Senders).Select<int, Func<Task>>(n => () => SendAsync(stores[n % stores.Length], $"{round}.{n}", InOrder(devices, n))),
                .. Enumerable.Range(0, 2).Select<int, Func<Task>>(n => () => RemoveAllAsync(stores[n % stores.Length], InOrder(devices, n))),
                () => AcknowledgeAllAsync(stores[^1], InOrder(devices, round)),
            ]);
        }

        await SendAsync(stores[0], "last", devices);
        foreach (var device in devices)
            Check.Same([.. (await stores[0].ContentsAsync(device)).TakeLast(1)], ["last"], $"What was sent to {device} when all removals had ended is there.");

        // Refused for a removal that it has not heard of, it looks everybody up again.
        async Task SendAsync(Session store, string txnId, IReadOnlyList<DeviceAddress> recipients)
        {
            var result = CommitResult.DeviceRemoved;
            for (var attempt = 0; attempt < Attempts && result == CommitResult.DeviceRemoved; attempt++)
                result = await store.SendAsync(Key(txnId), Messages(txnId, recipients));
            Check.Equal(result, CommitResult.Committed, "A send is refused for removals that it did not know of, and committed when it knows all.");
        }

        async Task RemoveAllAsync(Session store, IReadOnlyList<DeviceAddress> order)
        {
            foreach (var device in order) await store.RemoveDeviceAsync(device);
        }

        async Task AcknowledgeAllAsync(Session store, IReadOnlyList<DeviceAddress> order)
        {
            foreach (var device in order)
                if (await store.ReadAsync(device) is [.., var last]) await store.AcknowledgeAsync(device, last.Position);
        }
    }

    /// <summary>
    /// Sends to all destinations, while a sender takes them, removes what it has read, and releases them. No two have a device in common, or
    /// they would stand in line for that.
    /// </summary>
    internal static async Task SendEdusAsync(CaseRun run, Session[] stores)
    {
        const int Rounds = 15, Senders = 6;
        string[] destinations = [.. Enumerable.Range(0, 10).Select(n => $"hs{n}")];
        var received = destinations.ToDictionary(name => name, _ => new List<string>());
        run.Suspicion = Suspicion;
        for (var round = 0; round < Rounds; round++)
        {
            await CaseRun.ParallelAsync(
            [
                .. Enumerable.Range(0, Senders).Select<int, Func<Task>>(n => async () => Check.Equal(
                    await stores[n % stores.Length].SendAsync(
                        Key($"{round}", new DeviceAddress($"@user{n}:hs1", "S")), [], null, [.. InOrder(destinations, n).Select(name => Edu(name, $"{round}.{n}"))]),
                    CommitResult.Committed, "A new transaction has to be committed, whoever sends to the same servers at the same moment.")),
                () => ReceiveAsync(stores[^1]),
            ]);
        }

        await ReceiveAsync(stores[0]);
        string[] sent = [.. Enumerable.Range(0, Rounds).SelectMany(round => Enumerable.Range(0, Senders).Select(n => $"{round}.{n}"))];
        foreach (var name in destinations)
            Check.Same(Sorted(received[name]), Sorted(sent), $"Every send was committed, so {name} gets the EDU of each, once.");

        async Task ReceiveAsync(Session store)
        {
            foreach (var name in await store.TakeAsync("one"))
            {
                var edus = await store.EdusAsync(name);
                await store.RemoveEdusAsync(name, edus);
                received[name].AddRange(edus.Select(edu => edu.MessageId));
                await store.ReleaseAsync(name, "one", 0, TimeSpan.Zero);
            }
        }
    }

    private static DeviceAddress[] Devices(int count) => [.. Enumerable.Range(0, count).Select(n => new DeviceAddress($"@user{n % 4}:hs1", $"D{n}"))];

    /// <summary>Forwards for one, backwards for the next, and each from another place on.</summary>
    private static List<T> InOrder<T>(IReadOnlyList<T> all, int n)
    {
        var first = n / 2 * 3 % all.Count;
        List<T> order = [.. all.Skip(first), .. all.Take(first)];
        if (n % 2 == 1) order.Reverse();
        return order;
    }

    private static List<string> Sorted(IEnumerable<string> texts) => [.. texts.Order(StringComparer.Ordinal)];
}
