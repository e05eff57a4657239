using System.Text;

namespace Matrix.ToDevice.Tests.Allocation;

/// <summary>
/// What the module allocates for a request, and keeps for one that waits. The bounds are what was measured, and a little room: who makes them
/// larger has a reason.
/// </summary>
[NonParallelizable]
public class AllocationTests
{
    private const int Rounds = 64;

    [TestCase(1, 610)]
    [TestCase(20, 780)]
    [TestCase(250, 3600)]
    public async Task A_send_allocates_little_and_less_for_each_target(int targets, int bound)
    {
        await using var call = new EndpointCall(targets);

        Assert.That(await SendAsync(call, targets, contentBytes: 300), Is.LessThanOrEqualTo(bound));
    }

    [Test]
    public async Task What_a_send_allocates_does_not_grow_with_its_contents()
    {
        await using var call = new EndpointCall(users: 4);

        var small = await SendAsync(call, targets: 4, contentBytes: 100);
        var large = await SendAsync(call, targets: 4, contentBytes: 50_000);

        Assert.That(large, Is.EqualTo(small).Within(16));
    }

    [Test]
    public async Task A_sync_that_finds_nothing_allocates_little()
    {
        await using var call = new EndpointCall(users: 1);
        var since = await call.TakeAllAsync(new DeviceAddress("@user0:hs1", "D"));

        Assert.That(Median(() => call.Sync(since)), Is.LessThanOrEqualTo(240));
    }

    [TestCase(100)]
    [TestCase(5000)]
    public async Task A_page_allocates_little_for_each_message_whatever_its_size(int contentBytes)
    {
        await using var call = new EndpointCall(users: 1);
        for (var n = 0; n < 100; n++) call.Send(Body(1, contentBytes));

        // 56 bytes each, which are the host's to look at.
        Assert.That(Median(() => call.Sync("")), Is.LessThanOrEqualTo(6400));
    }

    [Test]
    public async Task A_waiting_sync_keeps_little()
    {
        await using var call = new EndpointCall(users: 1);
        await WaitAsync(call.ToDevice, first: 0, count: 100);

        Assert.That(await WaitAsync(call.ToDevice, first: 1000, count: 4000), Is.LessThanOrEqualTo(1200));
    }

    private static async Task<long> SendAsync(EndpointCall call, int targets, int contentBytes)
    {
        var body = Body(targets, contentBytes);
        var measured = new List<long>();
        for (var n = 0; n < 2 * Rounds; n++)
        {
            measured.Add(call.Send(body));
            // The memory of the contents is there for the next ones.
            for (var user = 0; user < targets; user++) await call.TakeAllAsync(new DeviceAddress($"@user{user}:hs1", "D"));
        }

        return measured.Skip(Rounds).Order().ElementAt(Rounds / 2);
    }

    private static long Median(Func<long> call) =>
        Enumerable.Range(0, 2 * Rounds).Select(_ => call()).ToList().Skip(Rounds).Order().ElementAt(Rounds / 2);

    private static byte[] Body(int targets, int contentBytes)
    {
        var content = $"{{\"c\":\"{new string('x', contentBytes)}\"}}";
        var users = Enumerable.Range(0, targets).Select(user => $"\"@user{user}:hs1\":{{\"D\":{content}}}");
        return Encoding.UTF8.GetBytes($"{{\"messages\":{{{string.Join(',', users)}}}}}");
    }

    /// <summary>So many devices wait, and go; the result is how many bytes each kept.</summary>
    private static async Task<long> WaitAsync(ToDeviceSync toDevice, int first, int count)
    {
        var devices = Enumerable.Range(first, count).Select(user => new DeviceAddress($"@user{user}:hs1", "D")).ToArray();
        var waits = new Task<ToDeviceBatch>[count];
        using var end = new CancellationTokenSource();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var n = 0; n < count; n++) waits[n] = toDevice.NextAsync(devices[n], null, TimeSpan.FromMinutes(4), end.Token).AsTask();
        var kept = (GC.GetTotalMemory(forceFullCollection: true) - before) / count;
        Assert.That(waits, Has.All.Property(nameof(Task.IsCompleted)).False);

        await end.CancelAsync();
        await Task.WhenAll(waits.Select(wait => wait.ContinueWith(_ => { }, TaskScheduler.Default)));
        return kept;
    }
}
