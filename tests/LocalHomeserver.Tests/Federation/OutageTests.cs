using Microsoft.Data.Sqlite;

namespace LocalHomeserver.Tests;

/// <summary>Whichever of two homeservers stops, or has no storage for a while, a message arrives once and in order.</summary>
[TestFixture("sqlite", Category = "Slow")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class OutageTests(string store) : FailingFederationTests(store)
{
    [Test]
    public async Task D16_a_server_that_was_down_gets_everything_in_order_when_it_is_back()
    {
        await Servers.StopAsync(2);
        await SendThreeAsync();
        await Eventually.IsAsync(() => Wire.Cut >= 3, "It is tried again and again");
        await Sender.SendAsync(Receiver, "end");

        await Servers.StartAsync(2);

        Assert.That(await Receiver.At(Servers[2]).ReceivesUntilAsync("end"), Is.EqualTo(Three));
    }

    [Test]
    public async Task R84_D16_a_server_that_starts_again_goes_on_with_the_transaction_that_it_was_sending()
    {
        Wire.LosesAnswers = true;
        await SendThreeAsync();
        await Eventually.IsAsync(() => Wire.Answers.Count >= 2, "The transaction has arrived");
        await Servers.StopAsync(1);
        // What is sent to the devices in between does not get into the transaction that was begun.
        await Servers.StartAsync(1);
        var before = Wire.Seen.Count;
        await Sender.At(Servers[1]).SendAsync(Receiver, "end");
        await Eventually.IsAsync(() => Wire.Seen.Count > before, "It goes on by itself");
        Wire.LosesAnswers = false;

        Assert.That(await Receiver.ReceivesUntilAsync("end"), Is.EqualTo(Three));
        TransactionsWereRepeatedAsTheyWere();
    }

    [Test]
    public async Task D15_R85_a_server_whose_storage_is_down_makes_the_other_one_try_again_and_then_delivers_once()
    {
        if (Store == "sqlite")
        {
            await using var other = new SqliteConnection($"Data Source={Path.Combine(Servers.DataOf(2), "to-device.db")};Pooling=False");
            await other.OpenAsync();
            await using (await other.BeginTransactionAsync())
            {
                await using var command = other.CreateCommand();
                command.CommandText = "CREATE TABLE held (x)";
                await command.ExecuteNonQueryAsync();
                await FailsAsync();
            }
        }
        else
        {
            PostgreSql.Execute(Servers.DataOf(2), "ALTER TABLE to_device.to_device_message RENAME TO held");
            await FailsAsync();
            PostgreSql.Execute(Servers.DataOf(2), "ALTER TABLE to_device.held RENAME TO to_device_message");
        }

        Assert.That(await Receiver.ReceivesUntilAsync("end"), Is.EqualTo(Three));

        async Task FailsAsync()
        {
            await SendThreeAsync();
            await Eventually.IsAsync(() => Wire.Answers.Count > 0, "The transaction has failed");
            await Sender.SendAsync(Receiver, "end");
            var answer = Wire.Answers.First();
            answer.IsError(503, "M_UNKNOWN");
            Assert.That(answer.Headers, Does.ContainKey("Retry-After"));
        }
    }
}
