using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Real files; one process for each, so not several instances.</summary>
internal sealed class SqliteTarget : StoreTarget
{
    public override string Name => "SQLite";

    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Durable | StoreClaims.Restorable | StoreClaims.Upkeep;

    public override ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var services = new ServiceCollection();
        services.AddSingleton(time).AddSendToDevice().UseSqlite($"Data Source={File(data)}");
        return new(StoreInstance.Of(services.BuildServiceProvider()));
    }

    public override ValueTask SaveAsync(string data, CancellationToken cancellationToken)
    {
        System.IO.File.Copy(File(data), $"{File(data)}.saved");
        return default;
    }

    public override ValueTask RestoreAsync(string data, CancellationToken cancellationToken)
    {
        System.IO.File.Copy($"{File(data)}.saved", File(data), overwrite: true);
        return default;
    }

    private static string File(string data) => Path.Combine(TestFolder.Path, $"{data}.db");
}
