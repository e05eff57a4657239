using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice.Tests;

/// <summary>The users, devices and access tokens of a test's homeserver, in the place of a host's own.</summary>
internal sealed class TestDevices : IAuthResolver, IDeviceDirectory
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, HashSet<string>> _devices = [];
    private readonly ConcurrentDictionary<string, AuthResult> _tokens = new();

    /// <summary>Adds a device; the result is its access token.</summary>
    public string Add(string userId, string deviceId)
    {
        lock (_lock)
        {
            if (!_devices.TryGetValue(userId, out var devices)) _devices.Add(userId, devices = []);
            devices.Add(deviceId);
        }

        return AddToken(AuthResult.Success(userId, deviceId));
    }

    /// <summary>A token that is answered like this.</summary>
    public string AddToken(AuthResult result)
    {
        var token = Guid.NewGuid().ToString("N");
        _tokens[token] = result;
        return token;
    }

    /// <summary>From now on, a token is answered like this.</summary>
    public void Answer(string token, AuthResult result) => _tokens[token] = result;

    /// <summary>Takes a device and its tokens off the list, as a logout does.</summary>
    public void Remove(string userId, string deviceId)
    {
        lock (_lock) _devices.GetValueOrDefault(userId)?.Remove(deviceId);
        foreach (var (token, result) in _tokens)
            if (result.Requester == new Requester(userId, deviceId)) _tokens.TryRemove(token, out _);
    }

    public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(MatrixAccessToken.Read(context) is not { } token ? AuthResult.MissingToken
            : _tokens.TryGetValue(token, out var result) ? result
            : AuthResult.UnknownToken());

    public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(userId =>
                !userId.EndsWith(":hs1", StringComparison.Ordinal) ? UserDevices.Remote
                : _devices.TryGetValue(userId, out var devices) ? UserDevices.Local([.. devices])
                : UserDevices.Unknown)]);
        }
    }
}
