using System.Collections.Concurrent;

namespace Matrix.ToDevice.Tests;

/// <summary>The reference store, or a broken one.</summary>
internal sealed class ReferenceTarget(Fault fault = Fault.None, TimeSpan? timeLimit = null) : StoreTarget
{
    private readonly ConcurrentDictionary<string, (ReferenceData Data, int Instances)> _data = new();
    private readonly ConcurrentDictionary<string, ReferenceData> _saved = new();
    private readonly ConcurrentDictionary<string, RowLocks> _locks = new();

    public override string Name => fault == Fault.None ? "Reference" : fault.ToString();

    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Durable | StoreClaims.SeveralInstances | StoreClaims.Restorable | StoreClaims.Upkeep;

    // A fault that blocks is seen soon enough; the reference store gets all the time that it may need on a busy machine.
    public override TimeSpan TimeLimit =>
        timeLimit ?? (fault is Fault.LocksInboxesWhileOpen or Fault.LocksInTheOrderOfTheCall ? TimeSpan.FromSeconds(1) : base.TimeLimit);

    public override ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var (shared, instance) = _data.AddOrUpdate(data, _ => (new(), 1), (_, known) => (known.Data, known.Instances + 1));
        if (fault == Fault.None) return new(StoreInstance.Of(new ReferenceStore(shared, time)));
        if (LockingStore.Has(fault)) return new(StoreInstance.Of(new LockingStore(shared, time, _locks.GetOrAdd(data, _ => new()), fault)));

        var store = new BrokenStore(shared, time, fault, instance);
        if (instance > 1) store.Restart();
        return new(StoreInstance.Of(store));
    }

    public override ValueTask DeleteAsync(string data, CancellationToken cancellationToken)
    {
        _data.TryRemove(data, out _);
        _saved.TryRemove(data, out _);
        _locks.TryRemove(data, out _);
        return ValueTask.CompletedTask;
    }

    public override ValueTask SaveAsync(string data, CancellationToken cancellationToken)
    {
        _saved[data] = _data[data].Data.Copy();
        return ValueTask.CompletedTask;
    }

    public override ValueTask RestoreAsync(string data, CancellationToken cancellationToken)
    {
        _data[data] = _data[data] with { Data = _saved[data].Copy() };
        return ValueTask.CompletedTask;
    }
}
