using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>The server's outbox, with a place to look on or to fail at each call of its sender.</summary>
internal sealed class HookedOutbox(IFederationOutbox outbox) : IFederationOutbox
{
    /// <summary>Runs before each call, with the name of the method.</summary>
    public Action<string> Before { get; set; } = _ => { };

    /// <summary>Each call waits for this, with the name of the method.</summary>
    public Func<string, Task> Wait { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs when a destination was given back, before its sender knows that.</summary>
    public Func<Task> AfterRelease { get; set; } = () => Task.CompletedTask;

    /// <summary>Changes what the sender reads.</summary>
    public Func<IReadOnlyList<OutboxEntry>, IReadOnlyList<OutboxEntry>> AfterRead { get; set; } = edus => edus;

    public static void Add(ISendToDeviceBuilder builder)
    {
        builder.Services.AddSingleton(provider => new HookedOutbox((IFederationOutbox)provider.GetRequiredService<ITransactionStore>()));
        builder.Services.Replace(ServiceDescriptor.Singleton<IFederationOutbox>(provider => provider.GetRequiredService<HookedOutbox>()));
    }

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken) =>
        outbox.AppendAsync(transaction, edus, cancellationToken);

    public async ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken)
    {
        Before(nameof(ReadAsync));
        await Wait(nameof(ReadAsync));
        return AfterRead(await outbox.ReadAsync(destination, after, limit, cancellationToken));
    }

    public async ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken)
    {
        Before(nameof(RemoveAsync));
        await Wait(nameof(RemoveAsync));
        await outbox.RemoveAsync(destination, edus, cancellationToken);
    }

    public ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken) =>
        outbox.ListDestinationsAsync(after, limit, cancellationToken);

    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken)
    {
        Before(nameof(AcquireAsync));
        await Wait(nameof(AcquireAsync));
        return await outbox.AcquireAsync(holder, duration, limit, failingLimit, longestPause, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken)
    {
        Before(nameof(AcquireTheseAsync));
        return await outbox.AcquireTheseAsync(destinations, holder, duration, cancellationToken);
    }

    public async ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken)
    {
        Before(nameof(RenewAsync));
        await Wait(nameof(RenewAsync));
        return await outbox.RenewAsync(destination, holder, duration, sendingUpTo, cancellationToken);
    }

    public async ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken)
    {
        Before(nameof(ReleaseAsync));
        await Wait(nameof(ReleaseAsync));
        await outbox.ReleaseAsync(destination, holder, failures, pause, cancellationToken);
        await AfterRelease();
    }
}
