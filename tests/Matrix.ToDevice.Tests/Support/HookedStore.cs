using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>The server's store without its outbox, with a place to stop or to fail at each step of a send.</summary>
internal sealed class HookedStore(ITransactionStore transactions, IDeviceInbox inbox) : ITransactionStore, IDeviceInbox
{
    public Func<CancellationToken, Task> BeforeBegin { get; set; } = _ => Task.CompletedTask;
    public Func<CancellationToken, Task> BeforeAppend { get; set; } = _ => Task.CompletedTask;
    public Func<CancellationToken, Task> AfterAppend { get; set; } = _ => Task.CompletedTask;
    public Func<Task> BeforeCommit { get; set; } = () => Task.CompletedTask;
    public Func<Task> AfterCommit { get; set; } = () => Task.CompletedTask;

    public long KnownRemovals => transactions.KnownRemovals;

    public static void Add(ISendToDeviceBuilder builder)
    {
        var services = builder.Services;
        var original = services.Last(descriptor => descriptor.ServiceType == typeof(ITransactionStore)).ImplementationFactory!;
        services.AddSingleton(provider =>
        {
            var store = original(provider);
            return new HookedStore((ITransactionStore)store, (IDeviceInbox)store);
        });
        services.Replace(ServiceDescriptor.Singleton<ITransactionStore>(provider => provider.GetRequiredService<HookedStore>()));
        services.Replace(ServiceDescriptor.Singleton<IDeviceInbox>(provider => provider.GetRequiredService<HookedStore>()));
        services.RemoveAll<IFederationOutbox>();
    }

    public async ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken)
    {
        await BeforeBegin(cancellationToken);
        var transaction = await transactions.BeginAsync(key, knownRemovals, cancellationToken);
        return transaction is null ? null : new Transaction(this, transaction);
    }

    public async ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        await BeforeAppend(cancellationToken);
        await inbox.AppendAsync(((Transaction)transaction).Inner, messages, cancellationToken);
        await AfterAppend(cancellationToken);
    }

    public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken) =>
        transactions.PurgeAsync(endpoint, lastUsedBefore, atMost, cancellationToken);

    public ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken) =>
        inbox.ReadAsync(device, after, limit, maxBytes, cancellationToken);

    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
        inbox.AcknowledgeAsync(device, upTo, cancellationToken);

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        inbox.RemoveDeviceAsync(device, cancellationToken);

    private sealed class Transaction(HookedStore store, IToDeviceTransaction inner) : IToDeviceTransaction
    {
        public IToDeviceTransaction Inner => inner;

        public async ValueTask<CommitResult> CommitAsync(CancellationToken cancellationToken)
        {
            await store.BeforeCommit();
            var result = await inner.CommitAsync(cancellationToken);
            await store.AfterCommit();
            return result;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
