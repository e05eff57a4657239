using System.Text;
using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>Says inputs to a server, and looks at the answers.</summary>
internal sealed class FuzzSender(FuzzServer server, FuzzCounts counts) : IDisposable
{
    private const int Connections = 6;

    // The bad peer has one document at a time.
    private readonly SemaphoreSlim _document = new(1);

    /// <summary>Sends all of them; what was wrong with which of the answers.</summary>
    public async Task<List<(FuzzInput Input, string Problem)>> SendAsync(IReadOnlyList<FuzzInput> inputs)
    {
        var problems = new List<(FuzzInput, string)>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = Connections };
        await Parallel.ForEachAsync(inputs.Where(input => input is not EduInput { CanBeSigned: true }), options, async (input, _) =>
        {
            if (await ProblemAsync(input) is not { } problem) return;
            lock (problems) problems.Add((input, problem));
        });

        foreach (var edus in inputs.OfType<EduInput>().Where(edu => edu.CanBeSigned).Chunk(100))
        {
            if (await TransactionProblemAsync(edus) is not { } problem) continue;
            var alone = new List<(FuzzInput, string)>();
            foreach (var edu in edus)
                if (await TransactionProblemAsync(edu) is { } own) alone.Add((edu, own));
            problems.AddRange(alone.Count > 0 ? alone : [(edus[0], $"with others: {problem}")]);
        }

        return problems;
    }

    public void Dispose() => _document.Dispose();

    private async Task<string?> ProblemAsync(FuzzInput input)
    {
        try
        {
            return input switch
            {
                ClientInput client => await ClientProblemAsync(client),
                PeerInput peer => await PeerProblemAsync(peer),
                EduInput edu => Problem(edu, await SendTransactionAsync(edu), "/_matrix"),
                AnswerInput answer => await AnswerProblemAsync(answer),
                _ => throw new ArgumentOutOfRangeException(nameof(input)),
            };
        }
        catch (HttpRequestException e)
        {
            return counts.Cut($"the connection was cut: {e.Message} {e.InnerException?.Message}");
        }
        catch (OperationCanceledException)
        {
            return counts.Stall("there was no answer");
        }
    }

    private async Task<string?> ClientProblemAsync(ClientInput input)
    {
        var answer = await server.SendAsync(input.Method, input.Uri, input.Authorization, input.Body);
        if (Problem(input, answer, input.Uri) is { } problem) return problem;
        return answer.Status != 200 ? null : input.Endpoint switch
        {
            "POST login" => await LogoutProblemAsync(answer),
            "POST user/{…}/filter" => await FilterProblemAsync(answer),
            _ => null,
        };
    }

    // A device with a name that nobody knows goes again.
    private async Task<string?> LogoutProblemAsync(FuzzAnswer login)
    {
        var token = JsonElement.Parse(login.Body).String("access_token");
        var logout = await server.SendAsync("POST", "/_matrix/client/v3/logout", $"=Bearer {token}", (byte[]?)null);
        return logout.Status == 200 ? null : $"then logout: {logout}";
    }

    private async Task<string?> FilterProblemAsync(FuzzAnswer saved)
    {
        var id = JsonElement.Parse(saved.Body).String("filter_id");
        var filter = await server.SendAsync("GET", $"/_matrix/client/v3/user/@fuzz-sender:hs1.localhost/filter/{id}", "sender", (byte[]?)null);
        return filter.Status == 200 && FuzzAnswer.IsJson(filter.Body) ? null : $"then the filter: {filter}";
    }

    private async Task<string?> PeerProblemAsync(PeerInput input)
    {
        var answer = input.Authorization is null
            ? await server.SendSignedAsync(input.Method, input.Uri, input.Body, input.Canonical)
            : await server.SendWithAsync(input.Method, input.Uri, input.Authorization, input.Body);
        return Problem(input, answer, input.Uri);
    }

    private async Task<string?> TransactionProblemAsync(params EduInput[] edus)
    {
        try
        {
            var answer = await SendTransactionAsync(edus);
            foreach (var edu in edus)
                if (Problem(edu, answer, "/_matrix") is { } problem) return problem;
            return answer.Status == 200 ? null : $"the transaction was refused: {answer}";
        }
        catch (HttpRequestException e)
        {
            return counts.Cut($"the connection was cut: {e.Message} {e.InnerException?.Message}");
        }
        catch (OperationCanceledException)
        {
            return counts.Stall("there was no answer");
        }
    }

    private Task<FuzzAnswer> SendTransactionAsync(params EduInput[] edus)
    {
        var body = $$"""{"origin":"hs2.localhost","origin_server_ts":1,"pdus":[],"edus":[{{string.Join(',', edus.Select(edu => edu.Json))}}]}""";
        var canonical = $$"""{"edus":[{{string.Join(',', edus.Select(edu => edu.Canonical))}}],"origin":"hs2.localhost","origin_server_ts":1,"pdus":[]}""";
        return server.SendSignedAsync("PUT", $"/_matrix/federation/v1/send/{Guid.NewGuid()}", Encoding.UTF8.GetBytes(body), canonical);
    }

    private async Task<string?> AnswerProblemAsync(AnswerInput input)
    {
        var user = $"@n{input.Number}:hs2.localhost";
        switch (input.Endpoint)
        {
            case "answer of user/keys/query":
                server.Peer.Answer($"@n{input.Number}:", input.Answer);
                var keys = await server.SendAsync(
                    "POST", "/_matrix/client/v3/keys/query", "asker", $$"""{"device_keys":{"{{user}}":[],"@fuzz-other:hs1.localhost":[]} }""");
                return Problem(input, keys, "/_matrix") ?? FuzzCheck.KeysProblem(keys);
            case "answer of user/keys/claim":
                server.Peer.Answer($"@n{input.Number}:", input.Answer);
                var claimed = await server.SendAsync(
                    "POST", "/_matrix/client/v3/keys/claim", "asker", $$"""{"one_time_keys":{"{{user}}":{"BOB":"signed_curve25519"} } }""");
                return Problem(input, claimed, "/_matrix") ?? (claimed.Status == 200 ? null : $"{claimed}");
            case "answer of user/devices/{userId}":
                server.Peer.Answer($"@n{input.Number}:", input.Answer);
                counts.Add(input);
                try
                {
                    await server.Server.Federation.GetUserDevicesAsync(FuzzPeer.Good, user, CancellationToken.None);
                    return null;
                }
                catch (FederationException)
                {
                    return null;
                }
                catch (Exception e) when (e is not HttpRequestException and not OperationCanceledException)
                {
                    return $"{e.GetType().Name} instead of a FederationException: {e.Message}";
                }

            case "answer of key/v2/server":
                return await DocumentProblemAsync(input);
            default:
                server.Peer.AnswerTransaction(input.Answer);
                return Problem(
                    input,
                    await server.SendAsync(
                        "PUT", $"/_matrix/client/v3/sendToDevice/m.test/answer{input.Number}", "sender", """{"messages":{"@n:hs3.localhost":{"*":{}}}}"""),
                    "/_matrix");
        }
    }

    private async Task<string?> DocumentProblemAsync(AnswerInput input)
    {
        await _document.WaitAsync();
        try
        {
            // Fetched for a key that is not known, and not more often than every five seconds.
            server.Peer.Document = input.Answer;
            server.Server.Clock.PutForward(TimeSpan.FromSeconds(6));
            var answer = await server.SendSignedAsync(
                "GET", "/_matrix/federation/v1/user/devices/@fuzz-other:hs1.localhost", null, null, FuzzPeer.Bad, $"ed25519:n{input.Number}");
            counts.Add(input);
            // Who cannot say which keys they have is told to come again, and hurts nobody else.
            return answer.Status is 401 or 503 ? null : $"{answer}";
        }
        finally
        {
            _document.Release();
        }
    }

    private string? Problem(FuzzInput input, FuzzAnswer answer, string uri)
    {
        counts.Add(input, answer.Status);
        var problem = answer.Problem(isBare: uri.Contains("%00", StringComparison.Ordinal), isMatrix: uri.StartsWith("/_", StringComparison.Ordinal));
        return problem is null ? null : answer.Status >= 500 ? $"{answer}" : $"{problem}: {answer}";
    }
}
