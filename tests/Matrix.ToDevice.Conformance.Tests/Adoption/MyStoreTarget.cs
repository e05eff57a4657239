using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Adoption;

/// <summary>What PACKAGE.md shows of a target; the reference store stands for the reader's.</summary>
// <package-target>
internal sealed class MyStoreTarget : StoreTarget
{
    public override StoreClaims Claims =>
        StoreClaims.Outbox | StoreClaims.Durable | StoreClaims.SeveralInstances | StoreClaims.Restorable | StoreClaims.Upkeep;

    public override async ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancel) =>
        StoreInstance.Of(await MyStore.OpenAsync(data, time, cancel));   // the same data again when the name comes again

    public override ValueTask SaveAsync(string data, CancellationToken cancel) => MyStore.BackUpAsync(data, cancel);

    public override ValueTask RestoreAsync(string data, CancellationToken cancel) => MyStore.RestoreAsync(data, cancel);
}
// </package-target>

internal static class MyStore
{
    private static readonly Dictionary<string, ReferenceData> s_data = [], s_backUps = [];

    public static Task<ReferenceStore> OpenAsync(string data, TimeProvider time, CancellationToken cancel)
    {
        lock (s_data)
        {
            if (!s_data.TryGetValue(data, out var shared)) s_data.Add(data, shared = new());
            return Task.FromResult(new ReferenceStore(shared, time)).WaitAsync(cancel);
        }
    }

    public static ValueTask BackUpAsync(string data, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (s_data) s_backUps[data] = s_data[data].Copy();
        return default;
    }

    public static ValueTask RestoreAsync(string data, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (s_data) s_data[data] = s_backUps[data].Copy();
        return default;
    }
}
