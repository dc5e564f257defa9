# Adds an SSTP connection to this computer. In an administrator's prompt:
#
#     powershell -ExecutionPolicy Bypass -File .\Join.ps1
#
# It imports the authority and adds the connection, for all users of the computer; Windows asks for name and password when it
# connects. Leave.ps1 reverts this. Both scripts need Windows 8 or Windows Server 2012, or later.

$ErrorActionPreference = 'Stop'
$Server = @SERVER@
$Connection = @CONNECTION@
$UserName = @NAME@
$Authority = @AUTHORITY@

function Stop-Here([string] $Sentence) {
    Write-Host $Sentence
    exit 1
}

$user = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $user.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Stop-Here 'Administrator rights are required: open PowerShell with "Run as administrator" and run this script again.'
}

$found = @(Get-VpnConnection -AllUserConnection | Where-Object { $_.Name -eq $Connection })
if ($found.Count -gt 0 -and ($found[0].TunnelType -ne 'Sstp' -or $found[0].ServerAddress -ne $Server)) {
    Stop-Here ('There is another connection with the name ' + $Connection + '. No changes were made.')
}

if ($Authority -ne '') {
    $here = Split-Path -Parent $MyInvocation.MyCommand.Path
    $ca = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2((Join-Path $here 'ca.cer'))
    if ($ca.Thumbprint -ne $Authority) {
        Stop-Here 'ca.cer does not belong to this folder: copy the folder from the server again.'
    }
    $store = New-Object System.Security.Cryptography.X509Certificates.X509Store('Root', 'LocalMachine')
    $store.Open('ReadWrite')
    try { $store.Add($ca) } finally { $store.Close() }
}

if ($found.Count -eq 0) {
    Add-VpnConnection -AllUserConnection -Name $Connection -ServerAddress $Server -TunnelType Sstp -AuthenticationMethod MSChapv2 -SplitTunneling -RememberCredential -Force
}
Get-VpnConnection -AllUserConnection -Name $Connection
Write-Host ('Joined. Connect in the network settings, as ' + $UserName + '.')
