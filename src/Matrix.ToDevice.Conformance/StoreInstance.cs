namespace Matrix.ToDevice;

/// <summary>One open instance of a store, as one host would have it.</summary>
/// <param name="transactions">The transaction store.</param>
/// <param name="inbox">The inboxes of the same store.</param>
/// <param name="outbox">The outbox of the same store, if it has one.</param>
/// <param name="owner">What closes the store when it is disposed (<see cref="IAsyncDisposable"/> or <see cref="IDisposable"/>).</param>
public sealed class StoreInstance(
    ITransactionStore transactions, IDeviceInbox inbox, IFederationOutbox? outbox = null, object? owner = null) : IAsyncDisposable
{
    private object? _owner = owner;

    /// <summary>The transaction store.</summary>
    public ITransactionStore Transactions { get; } = transactions;

    /// <summary>The inboxes.</summary>
    public IDeviceInbox Inbox { get; } = inbox;

    /// <summary>The outbox, if there is one.</summary>
    public IFederationOutbox? Outbox { get; } = outbox;

    /// <summary>What operators ask of the store, if it answers: the transaction store is the same object.</summary>
    public IStoreUpkeep? Upkeep => Transactions as IStoreUpkeep;

    /// <summary>A store that is one class. It is disposed with the instance, if it can be.</summary>
    /// <param name="store">The store; its outbox is used if it is an <see cref="IFederationOutbox"/> too.</param>
    public static StoreInstance Of<TStore>(TStore store)
        where TStore : class, ITransactionStore, IDeviceInbox => new(store, store, store as IFederationOutbox, store);

    /// <summary>The store that is registered with services. They are disposed with the instance, if they can be.</summary>
    /// <param name="services">A service provider of their own, so that two instances share nothing in this process.</param>
    /// <exception cref="InvalidOperationException">No store is registered.</exception>
    public static StoreInstance Of(IServiceProvider services)
    {
        ArgumentNullException.ThrowIfNull(services);
        return new StoreInstance(Get<ITransactionStore>(), Get<IDeviceInbox>(), services.GetService(typeof(IFederationOutbox)) as IFederationOutbox, services);

        T Get<T>() where T : class => services.GetService(typeof(T)) as T
            ?? throw new InvalidOperationException($"No {typeof(T).Name} is registered: name a store, for example with UseStore<MyStore>().");
    }

    /// <summary>Closes the store.</summary>
    public async ValueTask DisposeAsync()
    {
        switch (Interlocked.Exchange(ref _owner, null))
        {
            case IAsyncDisposable owner: await owner.DisposeAsync(); break;
            case IDisposable owner: owner.Dispose(); break;
        }
    }
}
