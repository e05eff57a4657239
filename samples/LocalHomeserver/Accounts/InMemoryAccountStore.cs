using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>Accounts that end with the process.</summary>
internal sealed class InMemoryAccountStore : IAccountStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, User> _users = [];
    private readonly Dictionary<string, (Login Login, Tokens Tokens)> _byAccessToken = [];
    private readonly Dictionary<string, (Login Login, Tokens Tokens)> _byRefreshToken = [];
    private SigningKey? _signingKey;

    public ValueTask<bool> AddUserAsync(string userId, string passwordHash, CancellationToken cancellationToken)
    {
        lock (_lock) return new(_users.TryAdd(userId, new User(passwordHash)));
    }

    public ValueTask<string?> FindPasswordHashAsync(string userId, CancellationToken cancellationToken)
    {
        lock (_lock) return new(_users.GetValueOrDefault(userId)?.PasswordHash);
    }

    public ValueTask<DeviceIds> FindDeviceIdsAsync(IReadOnlyCollection<string> userIds, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return new(new DeviceIds(userIds.SelectMany(
                userId => _users.TryGetValue(userId, out var user) ? user.Logins.Values.Select(login => login.Address) : [])));
        }
    }

    public ValueTask<IReadOnlyList<Device>> ListDevicesAsync(string userId, CancellationToken cancellationToken)
    {
        lock (_lock) return new([.. _users[userId].Logins.Values.Select(login => login.Device)]);
    }

    public ValueTask SaveDeviceAsync(string userId, Device device, Tokens tokens, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var address = new DeviceAddress(userId, device.DeviceId);
            Remove(address);
            var login = new Login(address, device, tokens);
            _users[userId].Logins.Add(device.DeviceId, login);
            Index(login, tokens);
        }

        return default;
    }

    public ValueTask<bool> RenameDeviceAsync(DeviceAddress device, string displayName, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_users[device.UserId].Logins.TryGetValue(device.DeviceId, out var login)) return new(false);
            login.Device = login.Device with { DisplayName = displayName };
            return new(true);
        }
    }

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        lock (_lock) Remove(device);
        return default;
    }

    public ValueTask<Session?> FindSessionAsync(string accessToken, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_byAccessToken.TryGetValue(accessToken, out var found)) return default;
            if (found.Tokens == found.Login.Next) UseNext(found.Login);
            return new(new Session(found.Login.Address, found.Tokens.ExpiresAt));
        }
    }

    public ValueTask<DeviceAddress?> RefreshAsync(string refreshToken, Tokens next, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_byRefreshToken.TryGetValue(refreshToken, out var found)) return default;
            if (found.Tokens == found.Login.Next) UseNext(found.Login);
            Unindex(found.Login.Next);
            found.Login.Next = next;
            Index(found.Login, next);
            return new(found.Login.Address);
        }
    }

    public ValueTask<SigningKey> GetOrAddSigningKeyAsync(SigningKey candidate, CancellationToken cancellationToken)
    {
        lock (_lock) return new(_signingKey ??= candidate);
    }

    public ValueTask SaveFilterAsync(string userId, string filterId, string filter, CancellationToken cancellationToken)
    {
        lock (_lock) _users[userId].Filters[filterId] = filter;
        return default;
    }

    public ValueTask<string?> FindFilterAsync(string userId, string filterId, CancellationToken cancellationToken)
    {
        lock (_lock) return new(_users[userId].Filters.GetValueOrDefault(filterId));
    }

    private void Remove(DeviceAddress device)
    {
        if (!_users[device.UserId].Logins.Remove(device.DeviceId, out var login)) return;
        Unindex(login.Previous);
        Unindex(login.Tokens);
        Unindex(login.Next);
    }

    private void UseNext(Login login)
    {
        Unindex(login.Previous);
        _byRefreshToken.Remove(login.Tokens.Refresh!);
        (login.Previous, login.Tokens, login.Next) = (login.Tokens, login.Next!, null);
    }

    private void Index(Login login, Tokens tokens)
    {
        _byAccessToken.Add(tokens.Access, (login, tokens));
        if (tokens.Refresh is not null) _byRefreshToken.Add(tokens.Refresh, (login, tokens));
    }

    private void Unindex(Tokens? tokens)
    {
        if (tokens is null) return;
        _byAccessToken.Remove(tokens.Access);
        if (tokens.Refresh is not null) _byRefreshToken.Remove(tokens.Refresh);
    }

    private sealed class User(string passwordHash)
    {
        public string PasswordHash { get; } = passwordHash;
        public Dictionary<string, Login> Logins { get; } = [];
        public Dictionary<string, string> Filters { get; } = [];
    }

    private sealed class Login(DeviceAddress address, Device device, Tokens tokens)
    {
        public DeviceAddress Address { get; } = address;
        public Device Device { get; set; } = device;
        public Tokens Tokens { get; set; } = tokens;

        /// <summary>Tokens that a refresh gave, as long as the client has not shown that it has them.</summary>
        public Tokens? Next { get; set; }

        /// <summary>The tokens before the last refresh: requests with that access token may still be under way.</summary>
        public Tokens? Previous { get; set; }
    }
}
