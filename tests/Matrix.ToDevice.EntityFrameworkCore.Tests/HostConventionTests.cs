using System.Text;
using System.Transactions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>What a host has decided for all of its own tables does not reach these; or it is said, and nothing is lost.</summary>
[TestFixture(typeof(SqliteDatabases))]
[TestFixture(typeof(PostgreSqlDatabases))]
[TestFixture(typeof(MariaDbDatabases))]
public class HostConventionTests<TDatabases>
    where TDatabases : ITestDatabase, new()
{
    private readonly TDatabases _databases = new();
    private string _name = null!;

    [SetUp]
    public void Name() => _name = TestStore.NewName();

    [TearDown]
    public ValueTask Delete() => _databases.DeleteAsync(_name);

    [Test]
    public async Task D9_D12_values_are_stored_as_they_are_whatever_a_host_makes_of_its_own()
    {
        await using var provider = await StartAsync<ConvertingDb>();
        var content = $$"""{"long":"{{new string('x', 1000)}}"}""";
        for (var n = 0; n < 12; n++) await SendAsync(provider, n, content);

        var inbox = provider.GetRequiredService<IDeviceInbox>();
        using var page = await inbox.ReadAsync(new("@bob:hs1", "B1"), InboxPosition.Start, 100, int.MaxValue, default);
        Assert.That(page.Messages.Select(message => Encoding.UTF8.GetString(message.Content.Span)), Is.EqualTo(Enumerable.Repeat(content, 12)));
        Assert.That(page.Messages.Select(message => message.Position.Sequence), Is.EqualTo(Enumerable.Range(1, 12)));
        Assert.That(await inbox.AcknowledgeAsync(new("@bob:hs1", "B1"), page.Messages[1].Position, default), Is.EqualTo(2));
        Assert.That(await provider.GetRequiredService<IFederationOutbox>().ListDestinationsAsync(null, 10, default), Is.EqualTo(new[] { "hs2" }));
    }

    // Messages would come again, to later devices too; and a loop that deletes until nothing is left would hold its device for good.
    [Test]
    public async Task D6_D11_a_host_that_keeps_what_is_deleted_is_told_so()
    {
        await using var provider = await StartAsync<KeepingDb>();
        await SendAsync(provider, 1, "{}", copies: 1000);
        var (inbox, device) = (provider.GetRequiredService<IDeviceInbox>(), new DeviceAddress("@bob:hs1", "B1"));

        Assert.That(async () => await inbox.RemoveDeviceAsync(device, default), SaysSo());
        Assert.That(async () => await inbox.AcknowledgeAsync(device, new(1, 7), default), SaysSo());
        Assert.That(async () => await provider.GetRequiredService<ITransactionStore>().PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.MaxValue, 1000, default), Throws.InvalidOperationException);

        static NUnit.Framework.Constraints.IResolveConstraint SaysSo() =>
            Throws.InvalidOperationException.With.Message.Contains("KeepingDb does not delete").And.Message.Contains("to_device_message");
    }

    [Test]
    public async Task D4_D6_a_transaction_that_a_host_has_around_a_request_is_not_the_stores()
    {
        await using var provider = await StartAsync<HomeserverDb>();
        var (inbox, device) = (provider.GetRequiredService<IDeviceInbox>(), new DeviceAddress("@bob:hs1", "B1"));

        // None of them is completed.
        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
        {
            for (var n = 1; n <= 3; n++) await SendAsync(provider, n, "{}");
            Assert.That(await inbox.AcknowledgeAsync(device, new(1, 7), default), Is.EqualTo(1));
        }

        Assert.That(await CountAsync(), Is.EqualTo(2));
        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled)) await inbox.RemoveDeviceAsync(device, default);
        Assert.That(await CountAsync(), Is.Zero);

        async Task<int> CountAsync()
        {
            using var page = await inbox.ReadAsync(device, InboxPosition.Start, 100, int.MaxValue, default);
            return page.Messages.Count;
        }
    }

    private async Task<ServiceProvider> StartAsync<TContext>()
        where TContext : DbContext
    {
        var services = new ServiceCollection();
        services.AddDbContext<TContext>(options => _databases.Use(options, _name));
        services.AddSendToDevice().UseEntityFrameworkCore<TContext>();
        var provider = services.BuildServiceProvider();
        await using var scope = provider.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<TContext>().Database.EnsureCreatedAsync();
        return provider;
    }

    private static async Task SendAsync(ServiceProvider provider, int n, string content, int copies = 1)
    {
        var transactions = provider.GetRequiredService<ITransactionStore>();
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", $"t{n}");
        await using var transaction = (await transactions.BeginAsync(key, transactions.KnownRemovals, default))!;
        var (bytes, sendId) = (Encoding.UTF8.GetBytes(content), 7);
        await provider.GetRequiredService<IDeviceInbox>().AppendAsync(
            transaction, [.. Enumerable.Repeat(new ToDeviceMessage(new("@bob:hs1", "B1"), "@alice:hs1", "m.test", bytes, sendId), copies)], default);
        await provider.GetRequiredService<IFederationOutbox>().AppendAsync(transaction, [new OutboundEdu("hs2", $"m{n}", bytes)], default);
        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
    }

    private sealed class ConvertingDb(DbContextOptions<ConvertingDb> options) : DbContext(options)
    {
        protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
        {
            configurationBuilder.Properties<string>().HaveConversion<SmallLetters>().HaveMaxLength(50);
            configurationBuilder.Properties<byte[]>().HaveMaxLength(256);
            configurationBuilder.Properties<long>().HaveConversion<string>();
        }

        protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.AddToDevice();

#pragma warning disable CA1308 // As a host may have it.
        private sealed class SmallLetters() : ValueConverter<string, string>(text => text.ToLowerInvariant(), text => text);
#pragma warning restore CA1308
    }

    private sealed class KeepingDb(DbContextOptions<KeepingDb> options) : DbContext(options)
    {
        public override Task<int> SaveChangesAsync(bool acceptAllChangesOnSuccess, CancellationToken cancellationToken = default)
        {
            foreach (var entry in ChangeTracker.Entries().Where(entry => entry.State == EntityState.Deleted))
            {
                entry.State = EntityState.Unchanged;
                entry.Property("IsDeleted").CurrentValue = true;
            }

            return base.SaveChangesAsync(acceptAllChangesOnSuccess, cancellationToken);
        }

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.AddToDevice();
            foreach (var type in modelBuilder.Model.GetEntityTypes()) type.AddProperty("IsDeleted", typeof(bool));
        }
    }
}
