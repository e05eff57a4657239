using System.Collections.Concurrent;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Devices of <c>@alice:hs1</c> that send to devices of <c>@bob:hs1</c> through several hosts, each of its messages
/// 1, 2, 3, … until it is accepted; and what must have come out of it.
/// </summary>
internal sealed class HostLoad(params Host[] hosts) : IDisposable
{
    private const int Senders = 8, Devices = 6;

    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, int> _committed = new();
    private readonly SemaphoreSlim _accepted = new(0);
    private readonly int[] _sent = new int[Senders];
    private Task _running = Task.CompletedTask;

    /// <summary>How many attempts threw.</summary>
    public int Failures => _failures;
    private int _failures;

    public void Start() => _running = Task.WhenAll(Enumerable.Range(0, Senders).Select(sender => Task.Run(() => SendAllAsync(sender))));

    /// <summary>Waits for some more sends to be accepted.</summary>
    public async Task AcceptsAsync(int count)
    {
        for (var i = 0; i < count; i++) Assert.That(await _accepted.WaitAsync(TimeSpan.FromSeconds(60)), Is.True, "sends are accepted again");
    }

    /// <summary>Stops, and checks every inbox: each message once, in its sender's order, numbered without a gap.</summary>
    public async Task StopAndCheckAsync()
    {
        await _stop.CancelAsync();
        await _running;
        for (var device = 0; device < Devices; device++)
        {
            var contents = await hosts[0].ReadAsync($"B{device}");
            for (var sender = 0; sender < Senders; sender++)
            {
                Assert.That(
                    contents.Where(content => content.StartsWith($"{sender}:", StringComparison.Ordinal)),
                    Is.EqualTo(Enumerable.Range(1, _sent[sender]).Where(n => Recipients(sender, n).Contains($"B{device}")).Select(n => $"{sender}:{n}")),
                    $"sender {sender}'s messages to device {device}");
            }
        }

        Assert.That(_committed.Values, Is.All.EqualTo(1), "one winner for each key");
    }

    public void Dispose()
    {
        _accepted.Dispose();
        _stop.Dispose();
    }

    private static IEnumerable<string> Recipients(int sender, int n) =>
        (n % 3 == 0 ? Enumerable.Range(0, Devices).Reverse() : [(sender + n) % Devices, n % Devices]).Distinct().Select(device => $"B{device}");

    private async Task SendAllAsync(int sender)
    {
        for (var n = 1; !_stop.IsCancellationRequested; n++)
        {
            // The host changes with every attempt, as behind a load balancer; some come twice at once.
            for (var attempt = 0; ; attempt++)
            {
                try
                {
                    var attempts = Enumerable.Range(attempt, n % 5 == 0 ? 2 : 1).Select(i => SendAsync(hosts[(sender + n + i) % hosts.Length], sender, n)).ToList();
                    await Task.WhenAll(attempts);
                    break;
                }
                catch (PostgreSqlStoreException)
                {
                    Interlocked.Increment(ref _failures);
                }
            }

            _sent[sender] = n;
            _accepted.Release();
        }
    }

    private async Task SendAsync(Host host, int sender, int n)
    {
        var result = await host.SendAsync($"t{n}", $"{sender}:{n}", Recipients(sender, n), $"A{sender}");
        if (result == CommitResult.Committed) _committed.AddOrUpdate($"{sender}:{n}", 1, (_, count) => count + 1);
        Assert.That(result, Is.Not.EqualTo(CommitResult.DeviceRemoved));
    }
}
