using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The store works however a host registers and shapes its context, and leaves the contexts of requests alone.</summary>
public class RegistrationTests
{
    private readonly SqliteDatabases _databases = new();
    private string _name = null!;

    [SetUp]
    public void Create() => TestStore.Create(_databases, _name = TestStore.NewName());

    [TearDown]
    public ValueTask Delete() => _databases.DeleteAsync(_name);

    private static IEnumerable<TestCaseData> Registrations()
    {
        yield return Of("AddDbContext", (services, use) => services.AddDbContext<HomeserverDb>(use));
        yield return Of("AddDbContext, transient", (services, use) => services.AddDbContext<HomeserverDb>(use, ServiceLifetime.Transient));
        yield return Of("AddDbContextPool", (services, use) => services.AddDbContextPool<HomeserverDb>(use));
        yield return Of("AddDbContextFactory", (services, use) => services.AddDbContextFactory<HomeserverDb>(use));
        yield return Of("AddDbContextFactory, scoped", (services, use) => services.AddDbContextFactory<HomeserverDb>(use, ServiceLifetime.Scoped));
        yield return Of("AddPooledDbContextFactory", (services, use) => services.AddPooledDbContextFactory<HomeserverDb>(use));
        yield return Of("lazy-loading proxies", (services, use) => services.AddDbContext<HomeserverDb>(options =>
        {
            use(options);
            options.UseLazyLoadingProxies();
        }));
        yield return Of("no tracking", (services, use) => services.AddDbContext<HomeserverDb>(options =>
        {
            use(options);
            options.UseQueryTrackingBehavior(QueryTrackingBehavior.NoTracking);
        }));

        static TestCaseData Of(string name, Action<IServiceCollection, Action<DbContextOptionsBuilder>> register) =>
            new TestCaseData(register).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Registrations))]
    public async Task A_send_is_delivered_and_what_a_request_has_not_saved_is_not(Action<IServiceCollection, Action<DbContextOptionsBuilder>> register)
    {
        ArgumentNullException.ThrowIfNull(register);
        var services = new ServiceCollection();
        register(services, options => _databases.Use(options, _name));
        services.AddSendToDevice().UseEntityFrameworkCore<HomeserverDb>();
        await using var provider = services.BuildServiceProvider(validateScopes: true);

        // A request of the homeserver that has changed something, and not saved it.
        await using var request = provider.CreateAsyncScope();
        var db = request.ServiceProvider.GetService<HomeserverDb>() ?? await request.ServiceProvider.GetRequiredService<IDbContextFactory<HomeserverDb>>().CreateDbContextAsync();
        db.Add(new Account { UserId = "@nobody:hs1" });
        for (var n = 0; n < 3; n++) Assert.That(await SendAsync(provider, $"t{n}"), Is.EqualTo(CommitResult.Committed));
        Assert.That(await SendAsync(provider, "t1"), Is.EqualTo(CommitResult.AlreadyCommitted));
        await provider.GetRequiredService<IDeviceInbox>().RemoveDeviceAsync(new("@bob:hs1", "other"), default);

        using var page = await provider.GetRequiredService<IDeviceInbox>().ReadAsync(new("@bob:hs1", "B1"), InboxPosition.Start, 100, int.MaxValue, default);
        Assert.That(page.Messages.Select(message => Encoding.UTF8.GetString(message.Content.Span)), Is.EqualTo(new[] { "\"t0\"", "\"t1\"", "\"t2\"" }));
        Assert.That(db.ChangeTracker.Entries().Count(), Is.EqualTo(1));
        Assert.That(await db.Accounts.CountAsync(), Is.Zero);
    }

    [Test]
    public async Task A_host_with_conventions_of_its_own_gets_the_same_tables()
    {
        var services = new ServiceCollection();
        services.AddDbContext<ConventionalDb>(options => _databases.Use(options, "conventional"));
        services.AddSendToDevice().UseEntityFrameworkCore<ConventionalDb>();
        await using var provider = services.BuildServiceProvider();
        await using var scope = provider.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<ConventionalDb>();
        await db.Database.EnsureCreatedAsync();
        Assert.That(await SendAsync(provider, "t1"), Is.EqualTo(CommitResult.Committed));

        var options = new DbContextOptionsBuilder<HomeserverDb>();
        _databases.Use(options, _name);
        await using var plain = new HomeserverDb(options.Options);
        Assert.That(TablesOf(db), Is.EqualTo(TablesOf(plain)));

        static string[] TablesOf(DbContext db) => [.. db.Database.GenerateCreateScript().Split("\n\n").Where(part => part.Contains("to_device_", StringComparison.Ordinal)).Select(part => part.Trim()).Order()];
    }

    private static async Task<CommitResult> SendAsync(IServiceProvider provider, string txnId)
    {
        var transactions = provider.GetRequiredService<ITransactionStore>();
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", txnId);
        await using var transaction = (await transactions.BeginAsync(key, transactions.KnownRemovals, default))!;
        await provider.GetRequiredService<IDeviceInbox>().AppendAsync(
            transaction, [new(new("@bob:hs1", "B1"), "@alice:hs1", "m.test", Encoding.UTF8.GetBytes($"\"{txnId}\""), 1)], default);
        return await transaction.CommitAsync(default);
    }

    private sealed class ConventionalDb(DbContextOptions<ConventionalDb> options) : DbContext(options)
    {
        protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
        {
            configurationBuilder.Properties<string>().HaveMaxLength(3).HaveColumnType("TEXT COLLATE NOCASE");
            configurationBuilder.Properties<byte[]>().HaveMaxLength(2000);
        }

        protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.AddToDevice();
    }
}
