using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The sender keeps its destination while it waits for an answer, and sends for no longer than it has it (R84, D16).</summary>
public class LeaseTests
{
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(30);

    private ManualTime _time = null!;
    private SemaphoreSlim _renewals = null!;
    private TestHomeserver _server = null!;
    private TestTransport.Transaction _transaction = null!;

    private HookedOutbox Outbox => _server.Services.GetRequiredService<HookedOutbox>();

    [SetUp]
    public async Task SendAsync()
    {
        (_time, _renewals) = (new ManualTime(), new SemaphoreSlim(0));
        _server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(_time);
            TestTransport.Add(builder, options =>
            {
                (options.LeaseDuration, options.SendTimeout) = (s_lease, 10 * s_lease);
                options.PollInterval = TimeSpan.FromDays(1);
            });
            HookedOutbox.Add(builder);
        });
        await _server.Login("@alice:hs1", "A1").SendAsync("t1", "@carol:hs2", "C1");
        _transaction = await TestTransport.Of(_server).NextAsync();
        OnRenewal(() => Task.CompletedTask);
    }

    [TearDown]
    public async Task StopAsync()
    {
        OnRenewal(() => Task.CompletedTask);
        await _server.DisposeAsync();
        _renewals.Dispose();
    }

    [Test]
    public async Task D16_a_slow_answer_does_not_cost_a_host_its_destination()
    {
        for (var step = 1; step <= 9; step++)
        {
            await NextRenewalAsync();
            Assert.That(await IsFreeAsync(), Is.False);
        }

        Assert.That(_transaction.Cancelled.IsCancellationRequested, Is.False);
        _transaction.Received();
        while ((await Outbox.ReadAsync("hs2", 10)).Count > 0) await TimeLimit.OneMoreTurnAsync();
    }

    [Test]
    public async Task D16_a_renewal_that_fails_is_made_again_while_the_lease_lasts()
    {
        var isAway = true;
        OnRenewal(() => isAway ? Task.FromException(new IOException("The disk is away.")) : Task.CompletedTask);
        for (var step = 1; step <= 3; step++)
        {
            isAway = true;
            await NextRenewalAsync();
            isAway = false;
            await NextRenewalAsync();
            Assert.That(await IsFreeAsync(), Is.False);
        }

        Assert.That(_transaction.Cancelled.IsCancellationRequested, Is.False);
    }

    [TestCase("fail")]
    [TestCase("hang")]
    public async Task D16_a_request_is_cancelled_when_its_lease_is_over_because_renewals(string how)
    {
        var hanging = new TaskCompletionSource();
        OnRenewal(() => how == "hang" ? hanging.Task : Task.FromException(new IOException("The disk is away.")));
        await NextRenewalAsync();
        _time.Advance((s_lease * 2 / 3) - TimeSpan.FromTicks(1));
        Assert.That(await IsFreeAsync(), Is.False);
        Assert.That(_transaction.Cancelled.IsCancellationRequested, Is.False, "it is this host's still");

        _time.Advance(TimeSpan.FromTicks(1));
        while (!_transaction.Cancelled.IsCancellationRequested) await TimeLimit.OneMoreTurnAsync();
        hanging.SetException(new IOException("The disk was away."));
    }

    private void OnRenewal(Func<Task> renewal)
    {
        Outbox.Wait = method =>
        {
            if (method != nameof(IFederationOutbox.RenewAsync)) return Task.CompletedTask;
            var renewed = renewal();
            _renewals.Release();
            return renewed;
        };
    }

    /// <summary>A third of the lease goes by, and the sender renews it.</summary>
    private async Task NextRenewalAsync()
    {
        _time.Advance(s_lease / 3);
        Assert.That(await _renewals.WaitAsync(TimeLimit.OfOneWait), Is.True, "The lease was not renewed.");
    }

    /// <summary>Whether another host could have the destination; it gives it back at once.</summary>
    private async Task<bool> IsFreeAsync()
    {
        var store = (IFederationOutbox)_server.Services.GetRequiredService<ITransactionStore>();
        var taken = await store.AcquireAsync("another host", TimeSpan.FromSeconds(1), 1);
        foreach (var lease in taken) await store.ReleaseAsync(lease.Destination, "another host", 0, TimeSpan.Zero, default);
        return taken.Count > 0;
    }
}
