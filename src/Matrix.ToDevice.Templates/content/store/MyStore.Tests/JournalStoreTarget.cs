using Matrix.ToDevice;

namespace MyStore.Tests;

/// <summary>What the store can do beyond what every store has to, and how the kit opens one: a file for each name.</summary>
internal sealed class JournalStoreTarget(string folder) : StoreTarget
{
    public override StoreClaims Claims => StoreClaims.Durable | StoreClaims.Restorable;

    public override ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken) =>
        new(StoreInstance.Of(new JournalStore(new JournalSettings(PathOf(data)), time)));

    public override ValueTask SaveAsync(string data, CancellationToken cancellationToken)
    {
        File.Copy(PathOf(data), PathOf(data) + ".saved");
        return default;
    }

    public override ValueTask RestoreAsync(string data, CancellationToken cancellationToken)
    {
        File.Copy(PathOf(data) + ".saved", PathOf(data), overwrite: true);
        return default;
    }

    private string PathOf(string data) => Path.Combine(folder, data + ".journal");
}
