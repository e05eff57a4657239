using Matrix.ToDevice;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace CustomStore;

// <target>
/// <summary>How the conformance kit opens the store: on a file for each name, as a host would.</summary>
public sealed class CustomStoreTarget(string folder) : StoreTarget
{
    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Durable | StoreClaims.SeveralInstances;

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
        using (var connection = new SqliteConnection(ConnectionString(data))) SqliteConnection.ClearPool(connection);
        foreach (var file in Directory.GetFiles(folder, $"{data}.db*")) File.Delete(file);
        return default;
    }

    private string ConnectionString(string data) => $"Data Source={Path.Combine(folder, data)}.db";
}
// </target>
