using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// What the stores of the house do beyond the promises of the seams, which the conformance kit tries out.
/// <see cref="TestStore"/> says which store this is.
/// </summary>
public class StoreTests
{
    private static readonly DeviceAddress s_device = new("@bob:hs1", "B1");

    /// <summary>D8's limit is an option: what a host allows beyond it fits too. And memory that is used again holds nothing of what was in it.</summary>
    [Test]
    public async Task D8_D9_contents_of_every_length_are_kept_as_sent_over_and_over()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseTestStore();
        await using var provider = services.BuildServiceProvider();
        var inbox = provider.GetRequiredService<IDeviceInbox>();
        var random = new Random(1);
        int[] lengths = [1, 127, 128, 129, 192, 193, 256, 65_535, 65_536, 65_537, 98_304, 524_287, 524_288, 524_289, 700_000, .. Enumerable.Range(0, 100).Select(_ => random.Next(1, 5000))];
        for (var round = 0; round < 3; round++)
        {
            var contents = lengths.Select(length => new string((char)('a' + length % 26), length)).ToList();
            for (var i = 0; i < contents.Count; i++) await SendAsync($"{round}.{i}", contents[i]);

            using var page = await inbox.ReadAsync(s_device, InboxPosition.Start, contents.Count, int.MaxValue, default);
            Assert.That(page.Messages.Select(message => Encoding.UTF8.GetString(message.Content.Span)), Is.EqualTo(contents));
            // What is given back is used again in the next round.
            await inbox.AcknowledgeAsync(s_device, page.Messages[^1].Position, default);
        }

        async Task SendAsync(string txnId, string content)
        {
            var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", txnId);
            await using var transaction = (await provider.GetRequiredService<ITransactionStore>().BeginAsync(key, 0, default))!;
            await inbox.AppendAsync(
                transaction, [new ToDeviceMessage(s_device, "@alice:hs1", "m.test", Encoding.UTF8.GetBytes(content), random.NextInt64())], default);
            Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
        }
    }
}
