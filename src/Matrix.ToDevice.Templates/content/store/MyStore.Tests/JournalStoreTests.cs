using Matrix.ToDevice;

namespace MyStore.Tests;

public class JournalStoreTests
{
    private static readonly string s_folder = Directory.CreateTempSubdirectory("journal-store-").FullName;

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(s_folder, recursive: true);

    /// <summary>Every promise of the seams, as a case. One that needs what the store does not claim is ignored, and says so.</summary>
    [TestCaseSource(typeof(ConformanceKit), nameof(ConformanceKit.Cases))]
    public async Task The_store_keeps_its_promises(ConformanceCase promise)
    {
        var result = await promise.RunAsync(new JournalStoreTarget(s_folder));
        if (result.Outcome == ConformanceOutcome.NotClaimed) Assert.Ignore(result.Reason);
        result.ThrowIfFailed();
    }

    [TestCase("its end is missing")]
    [TestCase("its middle is missing")]
    public async Task What_a_crash_has_left_of_a_line_is_no_change(string what)
    {
        var path = Path.Combine(s_folder, $"{Guid.NewGuid()}.journal");
        await SendAsync(path, "1");
        await SendAsync(path, "2");
        using (var file = File.Open(path, FileMode.Open))
        {
            if (what == "its end is missing") file.SetLength(file.Length - 1);
            file.Position = file.Length - 50;
            file.Write(new byte[10]);
        }

        Assert.That(await SendAsync(path, "1"), Is.EqualTo(CommitResult.AlreadyCommitted));
        Assert.That(await SendAsync(path, "2"), Is.EqualTo(CommitResult.Committed));
        Assert.That(await SendAsync(path, "2"), Is.EqualTo(CommitResult.AlreadyCommitted));
    }

    [Test]
    public async Task A_change_that_cannot_be_read_stays_and_is_told()
    {
        var path = Path.Combine(s_folder, $"{Guid.NewGuid()}.journal");
        await SendAsync(path, "1");
        await File.AppendAllTextAsync(path, """{"$type":"of a later version"}""" + "\n");
        var before = await File.ReadAllBytesAsync(path);

        Assert.That(() => new JournalStore(new JournalSettings(path), TimeProvider.System), Throws.InstanceOf<System.Text.Json.JsonException>());
        Assert.That(await File.ReadAllBytesAsync(path), Is.EqualTo(before));
    }

    private static async Task<CommitResult> SendAsync(string path, string transactionId)
    {
        using var store = new JournalStore(new JournalSettings(path), TimeProvider.System);
        var key = new TransactionKey("@alice:hs1", "PHONE", TransactionKey.SendToDevice, "m.dummy", transactionId);
        await using var transaction = await store.BeginAsync(key, store.KnownRemovals, CancellationToken.None);
        return transaction is null ? CommitResult.AlreadyCommitted : await transaction.CommitAsync(CancellationToken.None);
    }
}
