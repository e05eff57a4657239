using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>
/// Empties the queues of this host's appservices: takes those that nobody sends to, and sends to each until nothing waits for it or it
/// fails. There are as many as are configured, so that each has a place of its own, and none waits for another one or for a server (D22).
/// </summary>
internal sealed class AppserviceSender(
    IServiceScopeFactory scopes,
    AppserviceQueues queues,
    ToDeviceMetrics metrics,
    ToDeviceTraces traces,
    IOptions<AppserviceOptions> options,
    TimeProvider time,
    OutboxLine line,
    QuietLogger<AppserviceSender> logger) : BackgroundService
{
    private readonly AppserviceOptions _options = options.Value;
    private readonly string _host = Guid.NewGuid().ToString("N");
    private readonly ConcurrentDictionary<string, Task> _served = new(StringComparer.Ordinal);

    // How often each has failed in a row, as far as this host knows. The store is not told: a queue that has failed there is not to be had
    // by name.
    private readonly ConcurrentDictionary<string, int> _failures = new(StringComparer.Ordinal);
    private CancellationToken _stopping = new(canceled: true);
    private bool _isFederating;
    private long _acquired;

    /// <inheritdoc cref="OutboxLine.LongestPause"/>
    public TimeSpan LongestPause => OutboxLine.LongestPause(_options.MaxPause, _options.LeaseDuration);

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        using var scope = scopes.CreateScope();
        if (scope.ServiceProvider.GetService<IFederationOutbox>() is null)
        {
            throw new InvalidOperationException(
                "UseAppservices() needs a store that is an IFederationOutbox too. Name one behind AddSendToDevice(), for example .UseInMemory().");
        }

        _isFederating = scope.ServiceProvider.GetRequiredService<IServiceProviderIsService>().IsService(typeof(IFederationTransport));
        return base.StartAsync(cancellationToken);
    }

    /// <summary>Somebody has given a queue back.</summary>
    public void Wake() => queues.Signal.Wake();

    /// <summary>
    /// Takes over a queue, whoever took it; false when this host has no such appservice, sends to it already, or does not send now.
    /// </summary>
    public bool TryServe(OutboxLease lease, string holder)
    {
        var stopping = _stopping;
        if (stopping.IsCancellationRequested || queues.Find(lease.Destination) is not { } appservice) return false;

        var done = new TaskCompletionSource();
        if (!_served.TryAdd(lease.Destination, done.Task)) return false;
        _ = ServeAsync(appservice, lease, holder, done, stopping);
        return true;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        _stopping = stoppingToken;
        queues.Signal.Serve(destination => Appservice.IsDestination(destination) && !_served.ContainsKey(destination));
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await AcquireAsync(stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception exception)
            {
                Log.OutboxUnavailable(logger, exception);
            }

            await queues.Signal.WaitAsync(_options.PollInterval, time, stoppingToken);
        }

        await Task.WhenAll(_served.Values);
    }

    private async Task AcquireAsync(CancellationToken stopping)
    {
        List<string> idle = [];
        foreach (var appservice in queues.Receiving)
            if (!_served.ContainsKey(appservice.Destination)) idle.Add(appservice.Destination);
        if (idle.Count == 0) return;

        await using var scope = scopes.CreateAsyncScope();
        var outbox = new CountedOutbox(scope.ServiceProvider.GetRequiredService<IFederationOutbox>(), metrics);
        // A name for each call, as the federation's sender has.
        var holder = $"{_host}-{++_acquired}";
        var leases = await outbox.AcquireTheseAsync(idle, holder, _options.LeaseDuration, stopping);
        if (leases.Count == 0 && !_isFederating && !await HasMailForServersAsync(outbox, stopping))
        {
            // For a store that cannot be asked by name, and for a clock that was set back. Where there is mail for other servers, it is
            // left alone, for whoever sends it; and with UseFederation(), its sender takes what stands in the line and brings it here.
            leases = await outbox.AcquireAsync(holder, _options.LeaseDuration, idle.Count, idle.Count, LongestPause, stopping);
        }

        foreach (var lease in leases)
            if (!TryServe(lease, holder)) await line.GiveBackAsync(outbox, lease, holder, stopping);
    }

    private static async Task<bool> HasMailForServersAsync(CountedOutbox outbox, CancellationToken stopping)
    {
        const int Page = 100;
        string? last = null;
        while (true)
        {
            var page = await outbox.ListDestinationsAsync(last, Page, stopping);
            if (page.Any(destination => !Appservice.IsDestination(destination))) return true;
            if (page.Count < Page) return false;
            last = page[^1];
        }
    }

    private async Task ServeAsync(
        Appservice appservice, OutboxLease lease, string holder, TaskCompletionSource done, CancellationToken stopping)
    {
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var outbox = new CountedOutbox(scope.ServiceProvider.GetRequiredService<IFederationOutbox>(), metrics);
            var transport = scope.ServiceProvider.GetRequiredService<IAppserviceTransport>();
            var queue = new AppserviceQueue(
                appservice, lease, holder, _failures.GetValueOrDefault(lease.Destination), outbox, transport, _options, metrics, traces, time, logger);
            await queue.RunAsync(stopping);
            _failures[lease.Destination] = queue.Failures;
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            // The store went before the sender did. What this host has taken is free again when its time has run out.
        }
        catch (Exception exception)
        {
            Log.OutboxUnavailable(logger, exception);
        }

        _served.TryRemove(lease.Destination, out _);
        // For what was committed after the last look and before the queue was free again.
        Wake();
        done.SetResult();
    }
}
