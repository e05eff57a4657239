namespace Matrix.ToDevice.Tests;

/// <summary>
/// Sends of one batch share its lists of devices, its texts and one value with all contents: whatever is odd about one of them, each device
/// gets what is its own.
/// </summary>
public class OddBatchTests : TwoHostsTests
{
    private static readonly string[] s_texts =
    [
        "", " ", "\0", "\u0001", "\u00010", "\u0001-", "\u0001=", "b", "B", "\ue000", "😀", "NULL", "{\"\\,N}", new('x', 300), new('x', 301), new('X', 301),
    ];

    private static readonly int[] s_sizes = [0, 1, 2, 0, 65_536, 300, 0];

    [Test]
    public async Task D2_D12_each_device_gets_its_own_in_order_whatever_is_in_the_same_batch([Range(1, 3)] int seed)
    {
        var random = new Random(seed);
        await using var host = new Host(Database, options => options.Writers = 1);
        await host.SendAsync("first", "first", "first");
        var expected = new List<(DeviceAddress Recipient, string Sender, string EventType, byte[] Content)>();
        var edus = new List<OutboundEdu>();
        List<Task<CommitResult>> sends;
        await using (var connection = View.Open())
        {
            await using var holding = await connection.BeginTransactionAsync();
            await using var command = new Npgsql.NpgsqlCommand("SELECT FROM to_device.to_device_device WHERE device_id = 'first' FOR UPDATE", connection, holding);
            await command.ExecuteNonQueryAsync();
            sends = [host.SendAsync("held", "held", "first")];
            await View.ReachesAsync(Waiting, 1);
            // They wait for the writer, and come together.
            for (var n = 0; n < 300; n++) sends.Add(SendAsync(n));
            await holding.RollbackAsync();
        }

        Assert.That(await Task.WhenAll(sends), Is.All.EqualTo(CommitResult.Committed));
        foreach (var device in expected.GroupBy(message => message.Recipient))
        {
            using var page = await Two.Inbox.ReadAsync(device.Key, InboxPosition.Start, 1_000_000, int.MaxValue, default);
            Assert.That(
                page.Messages.Select(message => (message.Sender, message.EventType, Convert.ToHexString(message.Content.Span))),
                Is.EqualTo(device.Select(message => (message.Sender, message.EventType, Convert.ToHexString(message.Content)))));
        }

        foreach (var destination in edus.GroupBy(edu => edu.Destination))
        {
            Assert.That(
                (await Two.Outbox.ReadAsync(destination.Key, 0, 1_000_000, default)).Select(edu => (edu.MessageId, Convert.ToHexString(edu.Content.Span))),
                Is.EqualTo(destination.Select(edu => (edu.MessageId, Convert.ToHexString(edu.Content.Span)))));
        }

        async Task<CommitResult> SendAsync(int n)
        {
            var key = new TransactionKey(Text(), n % 3 == 0 ? null : Text(), n % 5 == 0 ? TransactionKey.DirectToDevice : TransactionKey.SendToDevice, Text(), $"{n}");
            await using var transaction = (await host.Transactions.BeginAsync(key, host.Transactions.KnownRemovals, default))!;
            for (var part = random.Next(3); part > 0; part--)
            {
                var (sender, eventType) = (Text(), Text());
                var messages = Enumerable.Range(0, random.Next(6)).Select(i => new ToDeviceMessage(
                    new DeviceAddress(Text(), Text()), random.Next(4) == 0 ? Text() : sender, eventType, Content(), n * 10 + i / 3)).ToList();
                expected.AddRange(messages.Select(message => (message.Recipient, message.Sender, message.EventType, message.Content.ToArray())));
                await host.Inbox.AppendAsync(transaction, messages, default);
            }

            if (n % 4 == 0)
            {
                List<OutboundEdu> own = [.. Enumerable.Range(0, random.Next(4)).Select(i => new OutboundEdu($"hs{random.Next(3)}", $"{n}:{i}", Content()))];
                edus.AddRange(own);
                await host.Outbox.AppendAsync(transaction, own, default);
            }

            return await transaction.CommitAsync(default);
        }

        string Text() => s_texts[random.Next(s_texts.Length)];

        byte[] Content()
        {
            var content = new byte[s_sizes[random.Next(s_sizes.Length)]];
            random.NextBytes(content);
            return content;
        }
    }
}
