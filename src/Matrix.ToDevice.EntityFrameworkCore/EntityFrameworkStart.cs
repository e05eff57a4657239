using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Matrix.ToDevice;

/// <summary>Finds out at start whether a context can be the store's. The database is not asked: migrations may come later.</summary>
internal sealed class EntityFrameworkStart<TContext>(IServiceProvider services, IServiceScopeFactory scopes) : IHostedService
    where TContext : DbContext
{
    private static readonly string s_context = typeof(TContext).Name;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // Another store may have been named since.
        if (services.GetService<ITransactionStore>() is not EntityFrameworkStore<TContext>) return;

        await using var one = await OwnContext.OpenAsync<TContext>(scopes, cancellationToken);
        await using var two = await OwnContext.OpenAsync<TContext>(scopes, cancellationToken);
        if (one.Db == two.Db)
        {
            throw new InvalidOperationException(
                $"{s_context} is a singleton: register it with the default lifetime, because sends that run at the same time need a context each.");
        }

        if (!one.Db.Database.IsRelational())
        {
            throw new InvalidOperationException(
                $"{s_context} uses {one.Db.Database.ProviderName}, which has no transactions: use a relational provider; for tests, SQLite or UseInMemory().");
        }

        if (one.Db.Model.FindEntityType(typeof(DeviceRow)) is null)
        {
            throw new InvalidOperationException(
                $"The model of {s_context} has no to-device tables: call modelBuilder.AddToDevice() in its OnModelCreating, and add a migration.");
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
