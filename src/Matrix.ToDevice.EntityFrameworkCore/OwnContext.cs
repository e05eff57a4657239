using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>
/// A context of the store's own, out of a scope of its own: never the one of a request, whose changes would be saved and whose
/// transaction might be open.
/// </summary>
internal sealed class OwnContext : IAsyncDisposable
{
    private readonly AsyncServiceScope _scope;
    private readonly bool _isOwned;

    private OwnContext(AsyncServiceScope scope, DbContext db, bool isOwned) => (_scope, Db, _isOwned) = (scope, db, isOwned);

    public DbContext Db { get; }

    /// <exception cref="InvalidOperationException">No such context is registered.</exception>
    public static async ValueTask<OwnContext> OpenAsync<TContext>(IServiceScopeFactory scopes, CancellationToken cancellationToken)
        where TContext : DbContext
    {
        var scope = scopes.CreateAsyncScope();
        try
        {
            var factory = scope.ServiceProvider.GetService<IDbContextFactory<TContext>>();
            DbContext? db = factory is null ? scope.ServiceProvider.GetService<TContext>() : await factory.CreateDbContextAsync(cancellationToken);
            if (db is null)
            {
                throw new InvalidOperationException(
                    $"UseEntityFrameworkCore<{typeof(TContext).Name}>() finds no such context: call services.AddDbContext<{typeof(TContext).Name}>(…), "
                    + "AddDbContextPool or AddDbContextFactory too.");
            }

            return new OwnContext(scope, db, isOwned: factory is not null);
        }
        catch
        {
            await scope.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_isOwned) await Db.DisposeAsync();
        await _scope.DisposeAsync();
    }
}
