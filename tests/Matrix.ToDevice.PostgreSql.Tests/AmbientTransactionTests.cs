using System.Transactions;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A host's own <see cref="TransactionScope"/>, around a whole request for example, is not the store's.</summary>
public class AmbientTransactionTests
{
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(30);

    // It would look at one moment of the database again and again.
    [Test]
    public async Task D13_a_sync_that_waits_in_one_gets_what_arrives()
    {
        await using var host = new Host(TestCluster.NewDatabase());
        await host.ReadAsync("B1");
        using var polls = WaitingSyncs.Of(host.Services);
        using var scope = new TransactionScope(TransactionScopeAsyncFlowOption.Enabled);
        var waiting = host.ToDevice.NextAsync(Host.Bob("B1"), null, s_wait, default).AsTask();
        await polls.ReachesAsync(1);
        using (new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled))
            Assert.That(await host.SendAsync("t1", "\"1\"", "B1"), Is.EqualTo(CommitResult.Committed));
        host.Services.GetRequiredService<IInboxSignals>().MessagesArrived(Host.Bob("B1"));

        using var batch = await waiting.WaitAsync(TimeSpan.FromSeconds(15));
        Assert.That(batch.Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D6_what_is_removed_is_removed_whatever_becomes_of_it()
    {
        await using var host = new Host(TestCluster.NewDatabase());
        await host.SendAsync("t1", "\"1\"", "B1");
        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
            await host.ToDevice.RemoveDeviceAsync(Host.Bob("B1"), default);

        Assert.That(await host.ReadAsync("B1"), Is.Empty);
    }
}
