"""The Secure Socket Tunneling Protocol: PPP over HTTPS ([MS-SSTP])."""
