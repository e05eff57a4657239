using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// There is no SQL Server to run on here. What would be said to one is written down, for whoever wants to read it: it is the SQL of
/// the other databases, with nothing of SQL Server's own.
/// </summary>
public class SqlServerTests
{
    private const string ApprovedFile = "tests/Matrix.ToDevice.EntityFrameworkCore.Tests/SqlServer.approved.sql";

    [Test]
    public async Task What_is_said_to_an_SQL_Server_is_what_was_approved()
    {
        await using var server = new RecordedSqlServer();
        await using var host = new EntityFrameworkHost(options => options.UseSqlServer(server));
        var device = EntityFrameworkHost.Bob("B1");

        await NoteAsync("CommitAsync", () => host.SendAsync("t1", "{}", ["B1"], servers: ["hs2"]));
        await NoteAsync("IDeviceInbox.ReadAsync", async () => await host.Inbox.ReadAsync(device, InboxPosition.Start, 100, 1000, default));
        await NoteAsync("AcknowledgeAsync", async () => await host.Inbox.AcknowledgeAsync(device, new InboxPosition(1, 1), default));
        await NoteAsync("RemoveDeviceAsync", async () =>
        {
            await host.Inbox.RemoveDeviceAsync(device, default);
            return 0;
        });
        await NoteAsync("PurgeAsync", async () => await host.Transactions.PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.UnixEpoch, 100, default));
        await NoteAsync("IFederationOutbox.ReadAsync", async () => await host.Outbox.ReadAsync("hs2", 0, 100, default));
        await NoteAsync("RemoveAsync", async () =>
        {
            await host.Outbox.RemoveAsync("hs2", [new OutboxEntry(1, "m1", default, default)], default);
            return 0;
        });
        await NoteAsync("ListDestinationsAsync", async () => await host.Outbox.ListDestinationsAsync("hs2", 100, default));
        await NoteAsync("AcquireAsync", async () => await host.Outbox.AcquireAsync("one", TimeSpan.FromMinutes(1), 100, 10, TimeSpan.FromDays(1), default));
        await NoteAsync("RenewAsync", async () => await host.Outbox.RenewAsync("hs2", "one", TimeSpan.FromMinutes(1), 1, default));
        await NoteAsync("ReleaseAsync", async () =>
        {
            await host.Outbox.ReleaseAsync("hs2", "one", 0, TimeSpan.Zero, default);
            return 0;
        });
        await NoteAsync("IStoreUpkeep.MeasureAsync", async () => await host.Upkeep.MeasureAsync(default));
        await NoteAsync("IStoreUpkeep.MeasureAsync", async () => await host.Upkeep.MeasureAsync([device], new InboxSize(100, 1000), default));
        await NoteAsync("IsCommittedAsync", async () => await host.Upkeep.IsCommittedAsync(TransactionKey.OfEdu("hs2", "m1"), default));
        await NoteAsync("ExpireAsync", async () => await host.Upkeep.ExpireAsync(DateTimeOffset.UnixEpoch, 100, default));
        await NoteAsync("TryTakeAsync", async () => await host.Upkeep.TryTakeAsync("purge", TimeSpan.FromHours(1), default));

        Assert.That(
            server.Said, Is.EqualTo(await File.ReadAllTextAsync(Path.Combine(Repository.Folder, ApprovedFile))),
            $"If that is meant, {ApprovedFile} has to become:\n{server.Said}");

        async Task NoteAsync<T>(string call, Func<Task<T>> work)
        {
            server.Note($"---- {call}\n");
            await work();
        }
    }
}
