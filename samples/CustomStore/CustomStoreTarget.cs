using Matrix.ToDevice;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace CustomStore;

// <target>
/// <summary>How the conformance kit opens the store: on a file for each name, as a host would.</summary>
public sealed class CustomStoreTarget(string folder) : StoreTarget
{
    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Durable | StoreClaims.SeveralInstances | StoreClaims.Restorable;

    public override async ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var services = new ServiceCollection();
        services.AddSingleton(time);
        Homeserver.AddServices(services, ConnectionString(data));
        var provider = services.BuildServiceProvider();
        await Homeserver.CreateDatabaseAsync(provider, cancellationToken);
        return StoreInstance.Of(provider);
    }

    public override ValueTask DeleteAsync(string data, CancellationToken cancellationToken)
    {
        Close(data);
        foreach (var file in Directory.GetFiles(folder, $"{data}.db*")) File.Delete(file);
        return default;
    }

    /// <summary>A backup, and below its restoration.</summary>
    public override ValueTask SaveAsync(string data, CancellationToken cancellationToken)
    {
        Close(data);
        File.Copy(PathOf(data), $"{PathOf(data)}.saved");
        return default;
    }

    public override ValueTask RestoreAsync(string data, CancellationToken cancellationToken)
    {
        Close(data);
        File.Copy($"{PathOf(data)}.saved", PathOf(data), overwrite: true);
        return default;
    }

    private void Close(string data)
    {
        using var connection = new SqliteConnection(ConnectionString(data));
        SqliteConnection.ClearPool(connection);
    }

    private string PathOf(string data) => Path.Combine(folder, $"{data}.db");

    private string ConnectionString(string data) => $"Data Source={PathOf(data)}";
}
// </target>
