using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Real files; one process for each, so not several instances.</summary>
internal sealed class SqliteTarget : StoreTarget
{
    public override string Name => "SQLite";

    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Durable;

    public override ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var services = new ServiceCollection();
        services.AddSingleton(time).AddSendToDevice().UseSqlite($"Data Source={Path.Combine(TestFolder.Path, data)}.db");
        return new(StoreInstance.Of(services.BuildServiceProvider()));
    }
}
